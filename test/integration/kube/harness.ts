import { KubeConfig } from '@kubernetes/client-node';
import type { TestCluster } from '../../../local-cluster/testCluster.ts';
import { createSeededRng } from '../../../operator/src/model/seededRng.ts';
import type { KubeApi, KubeObject, ResourceRef } from '../../../operator/src/ports/kubeApi.ts';
import type { LogFields, Logger } from '../../../operator/src/ports/logger.ts';
import { Cache } from '../../../operator/src/runtime/cache.ts';
import { Reflector, type ReflectorOptions } from '../../../operator/src/runtime/reflector.ts';
import { CONFIG_MAPS } from '../../../operator/src/schema/kubeKinds.ts';
import {
  createKubeApi,
  type KubeApiClient,
  type KubeApiOptions,
} from '../../../operator/src/store/kube/createKubeApi.ts';
import { createSystemClock } from '../../../operator/src/store/system/systemClock.ts';

export const clock = createSystemClock();

/** Keeps what was logged, to show it when a test fails. */
export class MemoryLog implements Logger {
  readonly lines: string[] = [];
  #add(level: string, message: string, fields: LogFields = {}): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  }
  debug = (message: string, fields?: LogFields): void => this.#add('debug', message, fields);
  info = (message: string, fields?: LogFields): void => this.#add('info', message, fields);
  warn = (message: string, fields?: LogFields): void => this.#add('warn', message, fields);
  error = (message: string, fields?: LogFields): void => this.#add('error', message, fields);
  child = (): Logger => this;
}

/** A client of the cluster; `url` sends it through a proxy, `token` makes it somebody else than the administrator. */
export function clientFor(
  cluster: TestCluster,
  options: Partial<KubeApiOptions> & { readonly url?: string; readonly token?: string } = {},
): KubeApiClient {
  const { url, token, ...rest } = options;
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(cluster.kubeconfig);
  const server = url ?? cluster.url;
  const { caData } = kubeConfig.getCurrentCluster() ?? {};
  if (caData === undefined) throw new Error('the test kubeconfig carries no CA');
  const user = token === undefined ? kubeConfig.getCurrentUser() : { name: 'somebody', token };
  if (user === null) throw new Error('the test kubeconfig names no user');
  kubeConfig.loadFromClusterAndUser({ name: 'test', server, caData, skipTLSVerify: false }, user);
  return createKubeApi({
    source: { kind: 'kubeConfig', kubeConfig },
    clock,
    log: new MemoryLog(),
    ...rest,
  });
}

export interface ConfigMap extends KubeObject {
  readonly data?: { readonly [key: string]: string };
}

export const configMap = (namespace: string, name: string, value = ''): ConfigMap => ({
  metadata: { name, namespace },
  data: { value },
});

/** A reflector of one namespace's ConfigMaps with what it told. */
export function reflectConfigMaps(
  api: KubeApi,
  namespace: string,
  options: Partial<ReflectorOptions<ConfigMap>> = {},
) {
  const log = new MemoryLog();
  const cache = new Cache<ConfigMap>({ log });
  const told: string[] = [];
  cache.subscribe(({ kind, object }) => told.push(`${kind} ${object.metadata.name}`));
  const reflector = new Reflector<ConfigMap>({
    api,
    ref: CONFIG_MAPS,
    cache,
    clock,
    rng: createSeededRng(namespace),
    log,
    namespace,
    // The server puts kube-root-ca.crt into every namespace when a controller-manager runs.
    fieldSelector: 'metadata.name!=kube-root-ca.crt',
    ...options,
  });
  reflector.start();
  return { cache, reflector, told, log };
}

/** Name and version of every object, as the server has it. */
export async function onServer(
  api: KubeApi,
  namespace: string,
  ref: ResourceRef = CONFIG_MAPS,
): Promise<readonly string[]> {
  const { items } = await api.list(ref, {
    namespace,
    fieldSelector: 'metadata.name!=kube-root-ca.crt',
  });
  return versions(items);
}

export const versions = (objects: readonly KubeObject[]): readonly string[] =>
  objects
    .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
    .toSorted((left, right) => (left < right ? -1 : 1));

export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const untilMs = clock.monotonicMs() + limitMs;
  while (!(await holds())) {
    if (clock.monotonicMs() > untilMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
