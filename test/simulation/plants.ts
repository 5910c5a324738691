import { TASK_FINALIZER } from '../../operator/src/model/labels.ts';
import { createSeededRng } from '../../operator/src/model/seededRng.ts';
import type {
  KubeApi,
  KubeObject,
  ListPage,
  ResourceRef,
  WatchEvent,
} from '../../operator/src/ports/kubeApi.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../operator/src/schema/kubeObjects.ts';
import { isMap } from '../support/fakeApi/json.ts';
import type { Oracle } from './oracles.ts';
import { isMezzo } from './podFacts.ts';

/**
 * Bugs put in between the operator and its client, to see that the oracles notice. The operator itself is not
 * touched: a planted bug changes what it sees or what it sends.
 */
export interface Plant {
  /** What a careless author might have done. */
  readonly bug: string;
  /** Any of these noticing it will do: one mistake shows in several ways. */
  readonly caughtBy: readonly Oracle[];
  readonly wrap: (kube: KubeApi, identity: string) => KubeApi;
}

export const PLANTS = {
  randomNames: {
    bug: 'Pods get random names, so that a create which was sent twice makes two',
    caughtBy: ['instance'],
    wrap: (kube, identity) => {
      const rng = createSeededRng(`plant/${identity}`);
      return onCreate(kube, PODS, (pod) => {
        const suffix = rng
          .int(36 ** 5)
          .toString(36)
          .padStart(5, '0');
        return { ...pod, metadata: { ...pod.metadata, name: `${pod.metadata.name}-${suffix}` } };
      });
    },
  },
  noFinalizer: {
    bug: 'Pods are not held until their end is recorded',
    caughtBy: ['finished'],
    wrap: (kube) =>
      onCreate(kube, PODS, (pod) => {
        const finalizers = (pod.metadata.finalizers ?? []).filter(
          (name) => name !== TASK_FINALIZER,
        );
        return { ...pod, metadata: { ...pod.metadata, finalizers } };
      }),
  },
  deafToQuota: {
    bug: 'limits are not looked at',
    caughtBy: ['quota'],
    wrap: (kube) =>
      onRead(kube, 'quotas', (quota) => ({ ...quota, spec: { ...specOf(quota), limits: {} } })),
  },
  bigNodes: {
    bug: 'nodes are thought four times as large as they are',
    caughtBy: ['capacity'],
    wrap: (kube) =>
      onRead(kube, NODES.plural, (node) => {
        const { status } = node as Node;
        const allocatable = { ...status?.allocatable, cpu: '16', memory: '32Gi' };
        return { ...node, status: { ...status, allocatable } } as KubeObject;
      }),
  },
  killsForeign: {
    bug: 'a kill now and then hits a Pod that is not ours',
    caughtBy: ['foreign'],
    wrap: (kube) => ({
      ...methodsOf(kube),
      delete: async (ref, key, options) => {
        await kube.delete(ref, key, options);
        if (ref.plural !== PODS.plural) return;
        const { items } = await kube.list<Pod>(PODS, {});
        const foreign = items.find((pod) => !isMezzo(pod));
        if (foreign !== undefined) await kube.delete(PODS, foreign.metadata);
      },
    }),
  },
  keepsFinalizers: {
    bug: 'finalizers are never taken off',
    caughtBy: ['finalizers'],
    wrap: (kube) => ({
      ...methodsOf(kube),
      patch: <T extends KubeObject>(
        ...[ref, key, type, body, options]: Parameters<KubeApi['patch']>
      ) => {
        const isRelease =
          type === 'merge' &&
          isMap(body) &&
          isMap(body['metadata']) &&
          'finalizers' in body['metadata'];
        const isJsonRelease = type === 'json' && JSON.stringify(body).includes('finalizers');
        return isRelease || isJsonRelease
          ? kube.get<T>(ref, key)
          : kube.patch<T>(ref, key, type, body, options);
      },
      update: <T extends KubeObject>(
        ref: ResourceRef,
        object: T,
        options?: Parameters<KubeApi['update']>[2],
      ) =>
        kube.update<T>(
          ref,
          ref.plural === PODS.plural
            ? { ...object, metadata: { ...object.metadata, finalizers: [TASK_FINALIZER] } }
            : object,
          options,
        ),
    }),
  },
  deafAfterStart: {
    bug: 'a watch never brings anything but new Pods, and a proxy answers lists from what it had at the start',
    caughtBy: ['convergence', 'finalizers', 'instance'],
    wrap: (kube) => ({
      ...methodsOf(kube),
      list: answeredFromTheStart(kube),
      watch: (ref, options, onEvent, signal) =>
        kube.watch(
          ref,
          options,
          (event) => {
            const isLost =
              ref.plural === PODS.plural && event.kind !== 'bookmark' && event.kind !== 'added';
            if (!isLost) onEvent(event as never);
          },
          signal,
        ),
    }),
  },
  ignoresLease: {
    bug: 'a renewal that was refused or lost is taken for a success',
    caughtBy: ['lease'],
    wrap: (kube) => ({
      ...methodsOf(kube),
      update: async <T extends KubeObject>(
        ref: ResourceRef,
        object: T,
        options?: Parameters<KubeApi['update']>[2],
      ) => {
        if (ref.plural !== 'leases') return kube.update<T>(ref, object, options);
        return kube.update<T>(ref, object, options).catch(() => object);
      },
    }),
  },
  doubleCron: {
    bug: 'each run of a CronJob is started a second time under another name',
    caughtBy: ['cron'],
    wrap: (kube) => ({
      ...methodsOf(kube),
      create: async <T extends KubeObject>(
        ref: ResourceRef,
        object: T,
        options?: Parameters<KubeApi['create']>[2],
      ) => {
        const made = await kube.create<T>(ref, object, options);
        if (ref.plural !== 'adhocjobs') return made;
        await kube.create(
          ref,
          { ...object, metadata: { ...object.metadata, name: `${object.metadata.name}-b` } },
          options,
        );
        return made;
      },
    }),
  },
  skipsCron: {
    bug: 'a run of a CronJob is noted as started before it is, and then forgotten',
    caughtBy: ['convergence'],
    wrap: (kube) => ({
      ...methodsOf(kube),
      create: async <T extends KubeObject>(
        ref: ResourceRef,
        object: T,
        options?: Parameters<KubeApi['create']>[2],
      ) => (ref.plural === 'adhocjobs' ? object : kube.create<T>(ref, object, options)),
    }),
  },
  believesExits: {
    bug: 'a task that exits 0 after it was told to stop is taken for one that has finished',
    caughtBy: ['unfinished'],
    wrap: (kube) =>
      onRead(kube, PODS.plural, (object) => {
        const { phase } = (object as Pod).status ?? {};
        if (phase !== 'Succeeded') return object;
        const { deletionTimestamp: _at, ...metadata } = object.metadata;
        return { ...object, metadata };
      }),
  },
  forgetsKills: {
    bug: 'once the kubelet has taken its last step, nobody knows any more that a task was stopped',
    caughtBy: ['lifecycle', 'unfinished'],
    wrap: (kube) =>
      onRead(kube, PODS.plural, (object) => {
        if (object.metadata.deletionGracePeriodSeconds !== 0) return object;
        const { deletionTimestamp: _at, ...metadata } = object.metadata;
        return { ...object, metadata };
      }),
  },
  losesUnreadable: {
    bug: 'an object that cannot be read is taken for one that is gone',
    caughtBy: ['needless'],
    wrap: (kube) => {
      const isBad = (object: KubeObject): boolean =>
        typeof (specOf(object) as { instances?: unknown }).instances === 'string';
      return {
        ...methodsOf(kube),
        list: async <T extends KubeObject>(
          ...[ref, options, signal]: Parameters<KubeApi['list']>
        ): Promise<ListPage<T>> => {
          const page = await kube.list<T>(ref, options, signal);
          return { ...page, items: page.items.filter((item) => !isBad(item)) };
        },
        watch: <T extends KubeObject>(
          ref: ResourceRef,
          options: Parameters<KubeApi['watch']>[1],
          onEvent: (event: WatchEvent<T>) => void,
          signal: AbortSignal,
        ) =>
          kube.watch<T>(
            ref,
            options,
            (event) => {
              const isLost = event.kind !== 'bookmark' && isBad(event.object);
              onEvent(isLost ? { ...event, kind: 'deleted' } : event);
            },
            signal,
          ),
      };
    },
  },
  restless: {
    bug: 'whenever a job is written, one of its running Pods is restarted',
    caughtBy: ['needless'],
    wrap: (kube) => ({
      ...methodsOf(kube),
      update: async <T extends KubeObject>(
        ref: ResourceRef,
        object: T,
        options?: Parameters<KubeApi['update']>[2],
      ) => {
        const made = await kube.update<T>(ref, object, options);
        if (ref.plural !== 'servicejobs') return made;
        const { items } = await kube.list<Pod>(PODS, { fieldSelector: 'status.phase=Running' });
        const pod = items.find(
          ({ metadata }) => metadata.labels?.['mezzo.dev/job-uid'] === object.metadata.uid,
        );
        if (pod !== undefined) await kube.delete(PODS, pod.metadata, options);
        return made;
      },
    }),
  },
} as const satisfies Record<string, Plant>;

export function plantNamed(name: string): Plant {
  const plant = (PLANTS as Record<string, Plant>)[name];
  if (plant === undefined) {
    throw new Error(
      `no planted bug is called "${name}"; there are ${Object.keys(PLANTS).join(', ')}`,
    );
  }
  return plant;
}

function specOf(object: KubeObject): object {
  return (object as { spec?: object }).spec ?? {};
}

/** A client's methods as an object that can be spread: a class's are not. */
function methodsOf(kube: KubeApi): KubeApi {
  return {
    get: (ref, key, signal) => kube.get(ref, key, signal),
    list: (ref, options, signal) => kube.list(ref, options, signal),
    watch: (ref, options, onEvent, signal) => kube.watch(ref, options, onEvent, signal),
    create: (ref, object, options) => kube.create(ref, object, options),
    update: (ref, object, options) => kube.update(ref, object, options),
    patch: (ref, key, type, body, options) => kube.patch(ref, key, type, body, options),
    delete: (ref, key, options) => kube.delete(ref, key, options),
    evict: (pod, options) => kube.evict(pod, options),
    bind: (pod, nodeName, options) => kube.bind(pod, nodeName, options),
  };
}

/** A process lists all when it starts and again when it leads; what is listed after that looks as it did then. */
function answeredFromTheStart(kube: KubeApi): KubeApi['list'] {
  let lists = 0;
  let kept: ListPage<KubeObject> | undefined;
  return async <T extends KubeObject>(
    ...[ref, options, signal]: Parameters<KubeApi['list']>
  ): Promise<ListPage<T>> => {
    const page = await kube.list<T>(ref, options, signal);
    if (ref.plural !== PODS.plural) return page;
    lists += 1;
    if (lists <= 2) kept = page;
    return { ...(kept as ListPage<T>), resourceVersion: page.resourceVersion };
  };
}

function onCreate(
  kube: KubeApi,
  of: ResourceRef,
  change: (object: KubeObject) => KubeObject,
): KubeApi {
  return {
    ...methodsOf(kube),
    create: <T extends KubeObject>(
      ref: ResourceRef,
      object: T,
      options?: Parameters<KubeApi['create']>[2],
    ) => kube.create<T>(ref, ref.plural === of.plural ? (change(object) as T) : object, options),
  };
}

function onRead(
  kube: KubeApi,
  plural: string,
  change: (object: KubeObject) => KubeObject,
): KubeApi {
  const seen = <T extends KubeObject>(object: T): T => change(object) as T;
  return {
    ...methodsOf(kube),
    list: async <T extends KubeObject>(
      ...[ref, options, signal]: Parameters<KubeApi['list']>
    ): Promise<ListPage<T>> => {
      const page = await kube.list<T>(ref, options, signal);
      return ref.plural === plural ? { ...page, items: page.items.map(seen) } : page;
    },
    watch: <T extends KubeObject>(
      ref: ResourceRef,
      options: Parameters<KubeApi['watch']>[1],
      onEvent: (event: WatchEvent<T>) => void,
      signal: AbortSignal,
    ) =>
      kube.watch<T>(
        ref,
        options,
        (event) => {
          const isChanged = ref.plural === plural && event.kind !== 'bookmark';
          onEvent(isChanged ? { ...event, object: seen(event.object) } : event);
        },
        signal,
      ),
  };
}
