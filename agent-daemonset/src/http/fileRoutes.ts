import type { AgentView } from '../../../operator/src/schema/http/agentView.ts';
import { placeOf, type TaskPlace } from '../mesos/taskPath.ts';
import type { TaskSandbox } from '../mesos/taskSandbox.ts';
import type { FileFacts } from '../ports/taskFiles.ts';
import { type Answer, json, plain } from './mesosAnswer.ts';

/** `/files/…` of a Mesos agent. Source: Mesos `src/files/files.cpp`. */

interface FileContext {
  readonly node: string;
  readonly sandbox: TaskSandbox;
}

/** Source: Mesos `src/files/files.cpp`, 16 pages: the most one read gives. */
const MAX_READ_BYTES = 65_536;
/** A download is one reply; longer files are read in pieces. */
const MAX_DOWNLOAD_BYTES = 32 * 1024 * 1024;
/** What is asked for when only the size is wanted. */
const NOTHING = { offset: 0, length: 0 };

export function browseFiles(
  { node, sandbox }: FileContext,
  view: AgentView,
  query: URLSearchParams,
): Answer {
  const place = placeIn(node, view, query);
  if ('status' in place) return place;
  const entries = sandbox.browse(place);
  if (entries === undefined) return NOT_FOUND;
  const path = (query.get('path') ?? '').replace(/\/+$/, '');
  const isFile = entries.length === 1 && entries[0]?.name === place.parts.at(-1);
  return json(entries.map((one) => fileInfo(isFile ? path : `${path}/${one.name}`, one)));
}

export function readFile(
  { node, sandbox }: FileContext,
  view: AgentView,
  query: URLSearchParams,
): Answer {
  const place = placeIn(node, view, query);
  if ('status' in place) return place;
  const offset = integerOf(query, 'offset');
  const length = integerOf(query, 'length');
  if (offset === undefined) return plain(400, "'offset' must be a whole number, at least -1");
  if (length === undefined) return plain(400, "'length' must be a whole number, at least -1");
  const wanted = length < 0 ? MAX_READ_BYTES : Math.min(length, MAX_READ_BYTES);
  const contents = sandbox.read(place, offset < 0 ? NOTHING : { offset, length: wanted });
  if (contents === undefined) return NOT_FOUND;
  if (contents.kind === 'directory') return plain(400, 'Cannot read a directory');
  // Without an offset a client asks how long the file is.
  if (offset < 0) return json({ offset: contents.sizeBytes, data: '' });
  const isWhole = offset + contents.bytes.length >= contents.sizeBytes;
  return json({ offset, data: textOf(contents.bytes, isWhole) });
}

export function downloadFile(
  { node, sandbox }: FileContext,
  view: AgentView,
  query: URLSearchParams,
): Answer {
  const place = placeIn(node, view, query);
  if ('status' in place) return place;
  const contents = sandbox.read(place, { offset: 0, length: MAX_DOWNLOAD_BYTES });
  if (contents === undefined) return NOT_FOUND;
  if (contents.kind === 'directory') return plain(400, 'Cannot download a directory');
  if (contents.sizeBytes > contents.bytes.length)
    return plain(
      413,
      `The file has ${contents.sizeBytes} bytes, more than the ${MAX_DOWNLOAD_BYTES} of one download; read it in pieces by /files/read`,
    );
  const name = encodeURIComponent(place.parts.at(-1) ?? 'file');
  return {
    status: 200,
    type: 'application/octet-stream',
    body: contents.bytes,
    headers: { 'content-disposition': `attachment; filename*=UTF-8''${name}` },
  };
}

const NOT_FOUND = plain(404, 'No such file');

/** A path nobody may see and one that is not there are told alike. */
function placeIn(node: string, view: AgentView, query: URLSearchParams): TaskPlace | Answer {
  const path = query.get('path');
  if (path === null || path === '') return plain(400, "Expecting 'path=value' in query");
  return placeOf(path, node, view.tasks) ?? NOT_FOUND;
}

/** -1 when left out; undefined when it is no whole number of at least -1. */
function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? '-1';
  return /^(-1|[0-9]{1,15})$/.test(text) ? Number(text) : undefined;
}

/** Characters cut in half at the end of a piece are left to the next one. */
function textOf(bytes: Buffer, isWhole: boolean): string {
  if (isWhole) return bytes.toString('utf8');
  let end = bytes.length;
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (needed > back) end = bytes.length - back;
    break;
  }
  return bytes.toString('utf8', 0, end);
}

const TYPE_LETTERS = { file: '-', directory: 'd', other: '?' } as const satisfies Record<
  FileFacts['kind'],
  string
>;

/** Source: Mesos `src/common/http.cpp`, JSON of `FileInfo`. */
function fileInfo(path: string, facts: FileFacts): object {
  const bits = ['r', 'w', 'x', 'r', 'w', 'x', 'r', 'w', 'x'].map((letter, index) =>
    (facts.mode & (0o400 >> index)) === 0 ? '-' : letter,
  );
  return {
    path,
    nlink: facts.links,
    size: facts.sizeBytes,
    mtime: facts.modifiedMs / 1000,
    mode: `${TYPE_LETTERS[facts.kind]}${bits.join('')}`,
    uid: String(facts.uid),
    gid: String(facts.gid),
  };
}
