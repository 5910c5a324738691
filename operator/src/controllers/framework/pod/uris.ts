import { ok, refuse } from '../../../model/result.ts';
import type { Container } from '../../../schema/kubeObjects.ts';
import type { CommandUri } from '../../../schema/mesos/command.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { RESTRICTED_CONTAINER } from '../../task/buildTaskPod.ts';
import type { FetcherConfig } from './podConfig.ts';
import { type PodContext, SANDBOX, type Translated } from './podContext.ts';

/** What the fetcher is told of one file, as JSON in its environment. See `images/fetcher/`. */
interface FetchItem {
  readonly url: string;
  /** Path below the sandbox. */
  readonly output: string;
  readonly extract: boolean;
  readonly executable: boolean;
}

const MAX_URIS = 64;
/** Node, unpacking a stream, stays far below this whatever the size of the file. */
const FETCHER_MEMORY = '256Mi';
/** Archives Mesos unpacks and the fetcher cannot: nothing on its image reads them. */
const NOT_UNPACKED = /\.(tar\.bz2|tbz2|tar\.xz|txz)$/i;

/**
 * The init container that brings a task's URIs into its sandbox; undefined without any.
 * Source of what is unpacked and how files are named: Mesos `docs/fetcher.md`.
 */
export function fetcherOf(
  info: TaskInfo,
  context: PodContext,
  place: { readonly container: string; readonly sandbox: string },
): Translated<Container | undefined> {
  const uris = info.command?.uris ?? [];
  if (uris.length === 0) return ok(undefined);
  const { fetcher } = context;
  if (fetcher === undefined)
    return refuse(
      'command.uris: fetching is not configured; start the operator with a fetcher image',
    );
  if (uris.length > MAX_URIS) return refuse(`command.uris: more than ${MAX_URIS}`);
  const items: FetchItem[] = [];
  for (const [index, uri] of uris.entries()) {
    const item = itemOf(uri, `command.uris[${index}]`, fetcher);
    if (!item.ok) return item;
    items.push(item.value);
  }
  return ok(containerOf(items, fetcher, place));
}

function itemOf(uri: CommandUri, field: string, fetcher: FetcherConfig): Translated<FetchItem> {
  const url = URL.parse(uri.value);
  if (url === null)
    return refuse(`${field}.value: is no URL; files and paths of the agent's host are not copied`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return refuse(`${field}.value: '${url.protocol}' is not fetched; use http or https`);
  if (fetcher.allowedHosts !== undefined && !fetcher.allowedHosts.includes(url.hostname))
    return refuse(`${field}.value: files are not fetched from the host '${url.hostname}'`);
  const output = uri.output_file ?? fileNameOf(url);
  const fault = pathFault(output);
  if (fault !== undefined) return refuse(`${field}.output_file: ${fault}`);
  const executable = uri.executable === true;
  const extract = !executable && uri.extract !== false;
  if (extract && NOT_UNPACKED.test(output))
    return refuse(`${field}: bzip2 and xz archives are not unpacked; set extract to false`);
  return ok({ url: url.href, output, extract, executable });
}

/** The last part of the path, as Mesos names the file. */
function fileNameOf(url: URL): string {
  const last = url.pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** Why a path does not stay below the folder it is relative to; undefined when it does. */
export function pathFault(path: string): string | undefined {
  if (path === '' || path.length > 1024) return 'names no file, or is longer than 1,024 characters';
  if (path.startsWith('/')) return `'${path}' must be relative to the sandbox`;
  if (path.split('/').some((part) => part === '..' || part === '.' || part === ''))
    return `'${path}' must not hold empty parts, '.' or '..'`;
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return 'holds a control character or a backslash';
  return undefined;
}

function containerOf(
  items: readonly FetchItem[],
  { image, maxBytes, allowedHosts }: FetcherConfig,
  place: { readonly container: string; readonly sandbox: string },
): Container {
  const spec = JSON.stringify({ sandbox: SANDBOX, maxBytes, allowedHosts, items });
  return {
    name: place.container,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', '/app/fetcher.mjs'],
    // What the kubelet would expand must reach the fetcher as it is.
    env: [{ name: 'MEZZO_FETCH', value: spec.replaceAll('$', () => '$$') }],
    // No request: it is done before its task starts, and runs on what the task asked for.
    resources: { limits: { memory: FETCHER_MEMORY }, requests: { cpu: '0', memory: '0' } },
    securityContext: RESTRICTED_CONTAINER,
    volumeMounts: [{ name: place.sandbox, mountPath: SANDBOX }],
  };
}
