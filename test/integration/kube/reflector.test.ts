import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestCluster, type TestCluster } from '../../../local-cluster/testCluster.ts';
import { CONFIG_MAPS, NAMESPACES } from '../../../operator/src/schema/kubeKinds.ts';
import type { KubeApiClient } from '../../../operator/src/store/kube/createKubeApi.ts';
import {
  clientFor,
  configMap,
  eventually,
  onServer,
  reflectConfigMaps,
  versions,
} from './harness.ts';
import { TcpProxy } from './tcpProxy.ts';

let cluster: TestCluster;
/** The test's own client, beside the proxy. */
let direct: KubeApiClient;
let proxy: TcpProxy;
let viaProxy: KubeApiClient;
let namespace: string;
let count = 0;
const reflected: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  cluster = await startTestCluster({ controllerManager: false });
  direct = clientFor(cluster);
}, 600_000);
afterAll(async () => {
  await direct?.close();
  await cluster?.stop();
}, 60_000);
beforeEach(async () => {
  proxy = await TcpProxy.start(cluster.port);
  viaProxy = clientFor(cluster, { url: proxy.url });
  namespace = `reflector-${(count += 1)}`;
  await direct.create(NAMESPACES, { metadata: { name: namespace } });
});
afterEach(async () => {
  for (const reflector of reflected.splice(0)) await reflector.stop();
  await viaProxy.close();
  await proxy.stop();
});

function reflect(options: Parameters<typeof reflectConfigMaps>[2] = {}) {
  const one = reflectConfigMaps(viaProxy, namespace, options);
  reflected.push(one.reflector);
  const same = async (): Promise<boolean> =>
    versions(one.cache.list()).join() === (await onServer(direct, namespace)).join();
  return { ...one, same };
}
const put = async (name: string, value = ''): Promise<void> => {
  await direct.create(CONFIG_MAPS, configMap(namespace, name, value));
};
const drop = (name: string): Promise<void> => direct.delete(CONFIG_MAPS, { namespace, name });

describe('on the real API server', () => {
  test('1,200 objects arrive in pages, then every change arrives by watch', async () => {
    const all = Array.from({ length: 1_200 }, (_, index) => `o-${index}`);
    await Promise.all(all.map((name) => put(name)));
    const { cache, reflector, same } = reflect({ pageSize: 100 });
    await expect(reflector.whenSynced()).resolves.toBe(true);
    expect(cache.size).toBe(1_200);
    await Promise.all([
      ...all.slice(0, 50).map((name) => drop(name)),
      ...all
        .slice(50, 100)
        .map((name) =>
          direct.patch(CONFIG_MAPS, { namespace, name }, 'merge', { data: { value: 'new' } }),
        ),
    ]);
    await eventually('the cache to equal the server', same);
    expect(cache.size).toBe(1_150);
    expect(reflector.stats()).toMatchObject({ lists: 1, watches: 1, failures: 0 });
  }, 60_000);

  test('a server killed with -9 and started again in the middle of a watch loses nothing', async () => {
    await put('before');
    const { cache, reflector, told, same } = reflect();
    await reflector.whenSynced();
    await put('live');
    await eventually('the watch to work', () => cache.size === 2);
    await cluster.killApiServer();
    await eventually('the reflector to notice', () => reflector.stats().failures >= 2);
    await cluster.restartApiServer();
    await drop('before');
    await put('after');
    await eventually('the cache to equal the server', same);
    await put('watched-again');
    await eventually('the new watch to work', same);
    expect(told).toEqual([
      'added before',
      'added live',
      'deleted before',
      'added after',
      'added watched-again',
    ]);
    expect(reflector.stats().state).toBe('watching');
  }, 120_000);

  test('what happened in history the server forgot is told by a relist, deletions included', async () => {
    for (const name of ['gone', 'changed', 'same']) await put(name);
    const { reflector, told, same } = reflect();
    await reflector.whenSynced();
    told.length = 0;
    proxy.setMode('refuse');
    proxy.cut();
    await drop('gone');
    await direct.patch(CONFIG_MAPS, { namespace, name: 'changed' }, 'merge', { data: { a: 'b' } });
    await put('new');
    await cluster.compactEtcd();
    await cluster.restartApiServer();
    proxy.setMode('pass');
    await eventually('the cache to equal the server', same);
    expect(told).toEqual(['deleted gone', 'modified changed', 'added new']);
    expect(reflector.stats().lists).toBe(2);
  }, 120_000);

  test('a watch from a version that was compacted away is told as gone', async () => {
    const { resourceVersion } = await direct.list(CONFIG_MAPS, { namespace });
    await put('later');
    await cluster.compactEtcd();
    await cluster.restartApiServer();
    const ended = direct.watch(
      CONFIG_MAPS,
      { namespace, resourceVersion, timeoutSeconds: 5 },
      () => undefined,
      new AbortController().signal,
    );
    await expect(ended).rejects.toMatchObject({ code: 'gone', status: 410 });
  }, 60_000);

  test('a connection that goes silent is cut, and what was missed is found', async () => {
    await put('before');
    const { cache, reflector, same } = reflect({ silentLimitMs: 2_000 });
    await reflector.whenSynced();
    await eventually('the watch to open', () => reflector.stats().watches === 1 && proxy.open > 0);
    proxy.setMode('stall');
    await put('missed');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(cache.size).toBe(1);
    expect(reflector.stalenessMs()).toBeGreaterThan(900);
    await eventually('the silence to be noticed', () => reflector.stats().silentWatches > 0);
    proxy.setMode('pass');
    await eventually('the cache to equal the server', same);
  }, 60_000);

  test('connections broken again and again lose nothing and are not answered with a storm of requests', async () => {
    const { reflector, same, told } = reflect();
    await reflector.whenSynced();
    for (let round = 0; round < 10; round += 1) {
      await put(`round-${round}`);
      proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await eventually('the cache to equal the server', same);
    expect(told.filter((line) => line.startsWith('added'))).toHaveLength(10);
    expect(proxy.accepted).toBeLessThan(40);
  }, 60_000);

  test('our own writes are read at once while the watch lags, and its late events change nothing', async () => {
    const { cache, reflector, told, same } = reflect();
    await reflector.whenSynced();
    await eventually('the watch to open', () => proxy.open > 0);
    proxy.setMode('stallReplies');
    cache.observe(await direct.create(CONFIG_MAPS, configMap(namespace, 'mine', '1')));
    const second = await direct.patch(CONFIG_MAPS, { namespace, name: 'mine' }, 'merge', {
      data: { value: '2' },
    });
    cache.observe(second);
    expect(cache.get({ namespace, name: 'mine' })?.data).toEqual({ value: '2' });
    await put('other');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(cache.size).toBe(1);
    proxy.setMode('pass');
    await eventually('the watch to catch up', () => cache.size === 2);
    await eventually('the cache to equal the server', same);
    expect(told).toEqual(['added mine', 'modified mine', 'added other']);
  }, 60_000);

  test('stop leaves no watch open at the server', async () => {
    const watchCount = async (): Promise<number> => {
      const metrics = await cluster.kubectl(['get', '--raw', '/metrics']);
      const line = metrics
        .split('\n')
        .find(
          (one) =>
            one.startsWith('apiserver_longrunning_requests{') &&
            one.includes('resource="configmaps"') &&
            one.includes('scope="namespace"') &&
            one.includes('verb="WATCH"'),
        );
      return Number(line?.split(' ').at(-1) ?? 0);
    };
    const before = await watchCount();
    const all = Array.from({ length: 5 }, () => reflect());
    await Promise.all(all.map(({ reflector }) => reflector.whenSynced()));
    await eventually('the watches to open', async () => (await watchCount()) === before + 5);
    await Promise.all(all.map(({ reflector }) => reflector.stop()));
    await eventually('the watches to end', async () => (await watchCount()) === before);
  }, 60_000);
});
