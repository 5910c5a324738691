import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { startTestCluster, type TestCluster } from '../../../local-cluster/testCluster.ts';
import type { Clock } from '../../../operator/src/ports/clock.ts';
import {
  type KubeApi,
  KubeApiError,
  type KubeObject,
  type ResourceRef,
  type WatchEvent,
} from '../../../operator/src/ports/kubeApi.ts';
import { EventRecorder } from '../../../operator/src/runtime/eventRecorder.ts';
import {
  CONFIG_MAPS,
  EVENTS,
  LEASES,
  NAMESPACES,
  PODS,
  SUBJECT_ACCESS_REVIEWS,
  TOKEN_REVIEWS,
} from '../../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import {
  createKubeApi,
  type KubeApiClient,
  type KubeApiOptions,
} from '../../../operator/src/store/kube/createKubeApi.ts';
import { createSystemIds } from '../../../operator/src/store/system/systemIds.ts';
import {
  clientFor,
  clock,
  configMap,
  eventually,
  MemoryLog,
  reflectConfigMaps,
} from './harness.ts';
import { TcpProxy } from './tcpProxy.ts';

const NAMESPACE = 'transport';

let cluster: TestCluster;
let api: KubeApiClient;
/** Of a service account that may do everything: unlike the administrator it is subject to the server's limits. */
let token: string;
const closing: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  cluster = await startTestCluster();
  api = clientFor(cluster);
  await api.create(NAMESPACES, { metadata: { name: NAMESPACE } });
  await cluster.kubectl(['create', 'serviceaccount', 'worker', '-n', NAMESPACE]);
  const binding = ['create', 'clusterrolebinding', 'worker', '--clusterrole=cluster-admin'];
  await cluster.kubectl(binding.concat(`--serviceaccount=${NAMESPACE}:worker`));
  token = (await cluster.kubectl(['create', 'token', 'worker', '-n', NAMESPACE])).trim();
}, 600_000);
afterAll(async () => {
  for (const made of closing) await made.close();
  await api?.close();
  await cluster?.stop();
}, 60_000);

function client(options: Parameters<typeof clientFor>[1]): KubeApiClient {
  const made = clientFor(cluster, options);
  closing.push(made);
  return made;
}

async function withProxy(
  run: (proxy: TcpProxy, viaProxy: KubeApiClient) => Promise<void>,
  options: Partial<KubeApiOptions> = {},
): Promise<void> {
  const proxy = await TcpProxy.start(cluster.port);
  const viaProxy = clientFor(cluster, { url: proxy.url, ...options });
  try {
    await run(proxy, viaProxy);
  } finally {
    await viaProxy.close();
    await proxy.stop();
  }
}

const SOON = { deadlineMs: 1_500 };

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error: unknown) =>
      error instanceof KubeApiError ? error.code : `not typed: ${String(error)}`,
  );

describe('connections', () => {
  test('300 reads and 300 writes at once go over few connections, and the next ones over the same', async () => {
    await withProxy(async (proxy, viaProxy) => {
      await api.create(CONFIG_MAPS, configMap(NAMESPACE, 'shared'));
      const key = { namespace: NAMESPACE, name: 'shared' };
      const many = Array.from({ length: 300 }, (_, index) => index);
      await Promise.all(many.map(() => viaProxy.get(CONFIG_MAPS, key)));
      expect(proxy.accepted).toBeLessThanOrEqual(8);
      const reads = proxy.accepted;
      await Promise.all(
        many.map((index) => viaProxy.create(CONFIG_MAPS, configMap(NAMESPACE, `many-${index}`))),
      );
      expect(proxy.accepted - reads).toBeLessThanOrEqual(34);
      const before = proxy.accepted;
      for (let index = 0; index < 50; index += 1) await viaProxy.get(CONFIG_MAPS, key);
      expect(proxy.accepted).toBe(before);
    });
  }, 60_000);

  test('a lost reply of a create that was carried out is unknownOutcome, of one never sent unavailable', async () => {
    await withProxy(async (proxy, viaProxy) => {
      // A connection must stand: a handshake that stalls is "never sent".
      await viaProxy.create(CONFIG_MAPS, configMap(NAMESPACE, 'warm-up'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      proxy.setMode('stallReplies');
      expect(await codeOf(viaProxy.create(CONFIG_MAPS, configMap(NAMESPACE, 'lost')))).toBe(
        'unknownOutcome',
      );
      await expect(
        api.get(CONFIG_MAPS, { namespace: NAMESPACE, name: 'lost' }),
      ).resolves.toBeDefined();
      proxy.setMode('refuse');
      proxy.cut();
      expect(await codeOf(viaProxy.create(CONFIG_MAPS, configMap(NAMESPACE, 'never')))).toBe(
        'unavailable',
      );
      expect(await codeOf(api.get(CONFIG_MAPS, { namespace: NAMESPACE, name: 'never' }))).toBe(
        'notFound',
      );
    }, SOON);
  }, 60_000);

  test('connections the server has closed are replaced without an error', async () => {
    await withProxy(async (proxy, viaProxy) => {
      const key = { namespace: NAMESPACE, name: 'kube-root-ca.crt' };
      await eventually(
        'the first read',
        async () => (await codeOf(viaProxy.get(CONFIG_MAPS, key))) === 'ok',
      );
      proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await codeOf(viaProxy.get(CONFIG_MAPS, key))).toBe('ok');
    });
  }, 60_000);
});

describe('limits of the server', () => {
  test('its 429 is typed for writes, waited out for reads, and does not stop a reflector', async () => {
    const codes = new Map<string, number>();
    const worker = client({
      token,
      burst: 10_000,
      qps: 10_000,
      metrics: { callFinished: ({ code }) => codes.set(code, (codes.get(code) ?? 0) + 1) },
    });
    await cluster.restartApiServer([
      '--enable-priority-and-fairness=false',
      '--max-requests-inflight=2',
      '--max-mutating-requests-inflight=1',
    ]);
    const { cache, reflector } = reflectConfigMaps(worker, NAMESPACE);
    try {
      const storm = Array.from({ length: 300 }, (_, index) =>
        worker.create(CONFIG_MAPS, configMap(NAMESPACE, `storm-${index}`)).then(
          () => undefined,
          (error: unknown) => error as KubeApiError,
        ),
      );
      const reads = Array.from({ length: 100 }, () =>
        codeOf(worker.list(CONFIG_MAPS, { limit: 50 })),
      );
      const errors = (await Promise.all(storm)).filter((error) => error !== undefined);
      expect(errors.length).toBeGreaterThan(0);
      for (const error of errors)
        expect(error).toMatchObject({ code: 'tooManyRequests', status: 429, retryAfterMs: 1_000 });
      expect(new Set(await Promise.all(reads))).toContain('ok');
      await expect(reflector.whenSynced()).resolves.toBe(true);
      await eventually('the reflector to have all', async () => {
        const { items } = await api.list(CONFIG_MAPS, { namespace: NAMESPACE });
        return (
          cache.size === items.filter((one) => one.metadata.name !== 'kube-root-ca.crt').length
        );
      });
      expect(codes.get('tooManyRequests')).toBeGreaterThanOrEqual(errors.length);
    } finally {
      await reflector.stop();
      await cluster.restartApiServer();
    }
  }, 120_000);
});

interface Review extends KubeObject {
  readonly spec?: unknown;
  readonly status?: {
    readonly authenticated?: boolean;
    readonly allowed?: boolean;
    readonly user?: { readonly username?: string };
    readonly userInfo?: { readonly username?: string; readonly groups?: readonly string[] };
  };
}
const review = (spec: unknown): Review => ({ metadata: { name: '' }, spec });
const SELF_SUBJECT_REVIEWS: ResourceRef = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'selfsubjectreviews',
  kind: 'SelfSubjectReview',
  namespaced: false,
};

describe('identity', () => {
  test('a TokenReview tells whose a token is, and that a wrong one is nobody’s', async () => {
    const good = await api.create(TOKEN_REVIEWS, review({ token }));
    expect(good.status).toMatchObject({
      authenticated: true,
      user: { username: `system:serviceaccount:${NAMESPACE}:worker` },
    });
    const bad = await api.create(TOKEN_REVIEWS, review({ token: 'garbage' }));
    expect(bad.status?.authenticated).not.toBe(true);
  });

  test('a SubjectAccessReview tells what RBAC allows a user', async () => {
    const ask = async (user: string): Promise<boolean | undefined> => {
      const resourceAttributes = {
        group: 'mezzo.dev',
        resource: 'roles',
        verb: 'offer',
        name: 'eng',
      };
      const spec = { user, resourceAttributes };
      return (await api.create(SUBJECT_ACCESS_REVIEWS, review(spec))).status?.allowed;
    };
    expect(await ask(`system:serviceaccount:${NAMESPACE}:worker`)).toBe(true);
    expect(await ask('ann')).toBe(false);
  });

  test('an impersonated call is made as that user with all the groups, and with the rights of nobody else', async () => {
    const impersonate = { user: 'ann', groups: ['dev', 'ops', 'system:authenticated'] };
    const { status } = await api.create<Review>(SELF_SUBJECT_REVIEWS, review(undefined), {
      impersonate,
    });
    expect(status?.userInfo?.username).toBe('ann');
    expect(status?.userInfo?.groups?.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'dev',
      'ops',
      'system:authenticated',
    ]);
    const asAnn = api.create(CONFIG_MAPS, configMap(NAMESPACE, 'anns'), { impersonate });
    expect(await codeOf(asAnn)).toBe('forbidden');
  });

  test('a token nobody issued is unauthorized', async () => {
    const stranger = client({ token: 'not-a-token' });
    expect(await codeOf(stranger.list(CONFIG_MAPS, {}))).toBe('unauthorized');
  });
});

describe('kubeconfig', () => {
  type User = Parameters<KubeConfig['loadFromClusterAndUser']>[1];
  type Cluster = Parameters<KubeConfig['loadFromClusterAndUser']>[0];
  const configured = (
    user: Partial<User>,
    server: Partial<Cluster> = {},
    itsClock: Clock = clock,
  ): KubeApiClient => {
    const kubeConfig = new KubeConfig();
    const caFile = cluster.pki.path('ca.crt');
    kubeConfig.loadFromClusterAndUser(
      { name: 'c', server: cluster.url, caFile, skipTLSVerify: false, ...server },
      { name: 'u', ...user },
    );
    const source = { kind: 'kubeConfig', kubeConfig } as const;
    const made = createKubeApi({ source, clock: itsClock, log: new MemoryLog() });
    closing.push(made);
    return made;
  };
  const whoAmI = async (as: KubeApi): Promise<string | undefined> =>
    (await as.create<Review>(SELF_SUBJECT_REVIEWS, review(undefined))).status?.userInfo?.username;
  const worker = `system:serviceaccount:${NAMESPACE}:worker`;

  test('a server whose certificate nobody vouches for is refused, unless told to skip the check', async () => {
    const other = join(mkdtempSync(join(tmpdir(), 'mezzo-ca-')), 'other.crt');
    writeFileSync(other, rootCertificates[0] ?? '');
    const strict = configured({ token }, { caFile: other });
    expect(await codeOf(strict.list(NAMESPACES, {}))).toBe('unavailable');
    expect(await codeOf(strict.create(CONFIG_MAPS, configMap(NAMESPACE, 'tls')))).toBe(
      'unavailable',
    );
    expect(await whoAmI(configured({ token }, { caFile: other, skipTLSVerify: true }))).toBe(
      worker,
    );
  });

  test('an exec plug-in is asked for the credential', async () => {
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token },
    };
    const exec = { command: 'echo', args: [JSON.stringify(credential)] };
    expect(await whoAmI(configured({ exec }))).toBe(worker);
    const broken = configured({ exec: { command: 'false', args: [] } });
    expect(await codeOf(broken.list(NAMESPACES, {}))).toBe('unauthorized');
  });

  test('a client certificate that is replaced on disk is used within 30 s', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'mezzo-cert-'));
    const [certFile, keyFile] = [join(dir, 'tls.crt'), join(dir, 'tls.key')];
    const install = ({ certificate, key }: { certificate: string; key: string }): void => {
      writeFileSync(certFile, certificate);
      writeFileSync(keyFile, key);
    };
    let aheadMs = 0;
    const as = configured(
      { certFile, keyFile },
      {},
      {
        ...clock,
        monotonicMs: () => clock.monotonicMs() + aheadMs,
      },
    );
    install(cluster.pki.admin);
    const before = await whoAmI(as);
    install(cluster.pki.controllerManager);
    expect(await whoAmI(as)).toBe(before);
    aheadMs = 31_000;
    expect(await whoAmI(as)).toBe('system:kube-controller-manager');
  });
});

describe('events', () => {
  test('the server takes new events and counts of repeats, for namespaced and cluster-scoped objects', async () => {
    const recorder = new EventRecorder({
      api: withoutWaiting(api),
      clock: { ...clock, setTimer: (delayMs, fire) => clock.setTimer(delayMs / 100, fire) },
      ids: createSystemIds(),
      log: new MemoryLog(),
      controller: 'mezzo.dev/operator',
      instance: 'operator-1',
    });
    const about = (name: string, namespace?: string) => ({
      regarding: { ref: namespace === undefined ? NAMESPACES : CONFIG_MAPS, name, namespace },
      type: 'Normal' as const,
      reason: 'OfferAccepted',
      action: 'Accept',
      note: 'accepted 2 offers',
    });
    for (let index = 0; index < 5; index += 1) recorder.record(about('shared', NAMESPACE));
    recorder.record(about(NAMESPACE));
    await eventually('the events to be written', () => recorder.stats().written >= 2);
    recorder.record(about('shared', NAMESPACE));
    await eventually('the count to be written', () => recorder.stats().written >= 3);
    await recorder.stop();
    expect(recorder.stats().dropped).toBe(0);
    const told = await cluster.kubectl(['events', '-n', NAMESPACE, '--for', 'configmap/shared']);
    expect(told).toContain('OfferAccepted');
    const { items } = await api.list<KubeObject & { series?: { count: number } }>(EVENTS, {
      namespace: NAMESPACE,
    });
    const shared = items.filter(({ metadata }) => metadata.name.startsWith('shared.'));
    expect(shared).toHaveLength(1);
    expect(shared[0]?.series?.count).toBe(6);
  }, 60_000);
});

/** The recorder needs only these two. */
const withoutWaiting = (of: KubeApi): Pick<KubeApi, 'create' | 'patch'> => of;

test('a lease renewal overtakes a burst of our own writes', async () => {
  const busy = client({ qps: 20, burst: 1 });
  const lease = { metadata: { name: 'overtakes', namespace: NAMESPACE } };
  await busy.create(LEASES, lease);
  const burst = Array.from({ length: 40 }, (_, index) =>
    busy.create(CONFIG_MAPS, configMap(NAMESPACE, `burst-${index}`)),
  );
  const startMs = clock.monotonicMs();
  await busy.patch(LEASES, lease.metadata, 'merge', { spec: { holderIdentity: 'me' } });
  expect(clock.monotonicMs() - startMs).toBeLessThan(500);
  await Promise.all(burst);
  expect(clock.monotonicMs() - startMs).toBeGreaterThan(1_500);
}, 60_000);

test('an event of a version that is held comes as a bookmark, later ones as Pods without managedFields', async () => {
  // Of its service account nobody has to wait for.
  const key = { name: 'watched', namespace: 'default' };
  const { resourceVersion } = await api.list(PODS, { namespace: key.namespace });
  const spec = { nodeName: 'nowhere', containers: [{ name: 'c', image: 'registry.example/c' }] };
  const pod = await api.create<Pod>(PODS, { metadata: key, spec });
  expect(pod).toMatchObject({
    kind: 'Pod',
    spec: { nodeName: 'nowhere', restartPolicy: 'Always' },
  });
  const annotations = { 'example.com/text': '}]},"spec":{"managedFields":[' };
  const patched = await api.patch<Pod>(PODS, key, 'merge', { metadata: { annotations } });
  const events: WatchEvent<Pod>[] = [];
  const stopping = new AbortController();
  const watching = api.watch<Pod>(
    PODS,
    {
      namespace: key.namespace,
      resourceVersion,
      timeoutSeconds: 60,
      isHeld: (...of) =>
        JSON.stringify(of) ===
        JSON.stringify([key, pod.metadata.uid, pod.metadata.resourceVersion]),
    },
    (event) => events.push(event),
    stopping.signal,
  );
  await eventually('both events', () => events.length >= 2);
  stopping.abort();
  await watching.catch(() => undefined);
  expect(events[0]).toEqual({
    kind: 'bookmark',
    resourceVersion: pod.metadata.resourceVersion,
  });
  expect(events[1]).toEqual({ kind: 'modified', object: patched });
  expect(patched.metadata).toMatchObject({ annotations });
  expect(patched.metadata).not.toHaveProperty('managedFields');
}, 60_000);
