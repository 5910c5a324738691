import { describe, expect, test } from '@jest/globals';
import type { ObjectMeta } from '../../../operator/src/ports/kubeApi.ts';
import { CONFIG_MAPS, PODS } from '../../../operator/src/schema/kubeKinds.ts';
import {
  type ConfigMap,
  type ContractEnv,
  configMap,
  freshName,
  podOf,
  WatchLog,
} from '../fixtures.ts';

const rvOf = ({ metadata }: { readonly metadata: ObjectMeta }): string =>
  metadata.resourceVersion ?? '';

export function watchContract(env: () => ContractEnv): void {
  const watch = (
    resourceVersion: string,
    selection: { readonly labelSelector?: string; readonly fieldSelector?: string } = {},
  ): WatchLog<ConfigMap> => {
    const { kube, namespace } = env();
    return new WatchLog<ConfigMap>().start((onEvent, signal) =>
      kube.watch(
        CONFIG_MAPS,
        { namespace, resourceVersion, timeoutSeconds: 60, ...selection },
        onEvent,
        signal,
      ),
    );
  };

  describe('watch', () => {
    test('tells what happened after its resourceVersion, old and new, in order', async () => {
      const { kube, namespace } = env();
      const name = freshName('watched');
      const before = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('before')));
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, name));
      const log = watch(rvOf(before), { fieldSelector: `metadata.name=${name}` });
      await log.waitFor(1);
      const changed = await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { data: { a: '1' } });
      await kube.delete(CONFIG_MAPS, made.metadata);
      expect(await log.waitFor(3)).toEqual([
        `added ${name}`,
        `modified ${name}`,
        `deleted ${name}`,
      ]);
      const [added, modified, deleted] = log.events.filter(({ kind }) => kind !== 'bookmark');
      expect(added).toEqual({ kind: 'added', object: made });
      expect(modified).toEqual({ kind: 'modified', object: changed });
      // The last state, under the deletion's own resourceVersion.
      expect(deleted).toMatchObject({ kind: 'deleted', object: { data: { a: '1' } } });
      if (deleted?.kind === 'deleted') {
        expect(Number(rvOf(deleted.object))).toBeGreaterThan(Number(rvOf(changed)));
      }
      expect(await log.stop()).toMatchObject({ code: 'unavailable' });
    });

    test('with a selector: entering it is added, leaving it is deleted', async () => {
      const { kube, namespace } = env();
      const stem = freshName('enter');
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, stem));
      const log = watch(rvOf(made), { labelSelector: `stem=${stem}` });
      const label = (value: string | null): Promise<unknown> =>
        kube.patch(CONFIG_MAPS, made.metadata, 'merge', { metadata: { labels: { stem: value } } });
      await label(stem);
      await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { data: { a: '1' } });
      await label(null);
      await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { data: { a: '2' } });
      expect(await log.waitFor(3)).toEqual([
        `added ${stem}`,
        `modified ${stem}`,
        `deleted ${stem}`,
      ]);
      await log.stop();
    });

    test('by spec.nodeName sees only Pods of that node', async () => {
      const { kube, namespace } = env();
      const node = freshName('watch-node');
      const start = await kube.create(
        PODS,
        podOf(namespace, freshName('other'), { nodeName: 'elsewhere' }),
      );
      const log = new WatchLog().start((onEvent, signal) =>
        kube.watch(
          PODS,
          {
            namespace,
            resourceVersion: rvOf(start),
            timeoutSeconds: 60,
            fieldSelector: `spec.nodeName=${node}`,
          },
          onEvent,
          signal,
        ),
      );
      await kube.create(PODS, podOf(namespace, freshName('unseen'), { nodeName: 'elsewhere' }));
      const mine = await kube.create(PODS, podOf(namespace, freshName('seen'), { nodeName: node }));
      expect(await log.waitFor(1)).toEqual([`added ${mine.metadata.name}`]);
      await log.stop();
    });

    test('a held object is modified when it is deleted and deleted when its finalizer goes', async () => {
      const { kube, namespace } = env();
      const object = configMap(namespace, freshName('held'));
      const held = { ...object, metadata: { ...object.metadata, finalizers: ['mezzo.dev/task'] } };
      const made = await kube.create(CONFIG_MAPS, held);
      const { name } = made.metadata;
      const log = watch(rvOf(made), { fieldSelector: `metadata.name=${name}` });
      await kube.delete(CONFIG_MAPS, made.metadata);
      await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { metadata: { finalizers: null } });
      expect(await log.waitFor(2)).toEqual([`modified ${name}`, `deleted ${name}`]);
      await log.stop();
    });

    test('a write that changes nothing is no event', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        CONFIG_MAPS,
        configMap(namespace, freshName('quiet'), { a: '1' }),
      );
      const { name } = made.metadata;
      const log = watch(rvOf(made), { fieldSelector: `metadata.name=${name}` });
      await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { data: { a: '1' } });
      await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { data: { a: '2' } });
      expect(await log.waitFor(1)).toEqual([`modified ${name}`]);
      await log.stop();
    });

    test('is closed in order when its time is up', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('short')));
      const log = new WatchLog();
      const options = { namespace, resourceVersion: rvOf(made), timeoutSeconds: 1 };
      const end = kube.watch(
        CONFIG_MAPS,
        options,
        (event) => log.events.push(event),
        new AbortController().signal,
      );
      await expect(end).resolves.toEqual({ kind: 'closed' });
    }, 20_000);
  });

  describe('after compaction', () => {
    test('an old watch and an old page are gone; a new list and watch work', async () => {
      const { kube, namespace, compact } = env();
      const stem = freshName('compact');
      const make = async (suffix: string): Promise<ConfigMap> => {
        const object = configMap(namespace, `${stem}-${suffix}`);
        return kube.create(CONFIG_MAPS, {
          ...object,
          metadata: { ...object.metadata, labels: { stem } },
        });
      };
      const old = await make('a');
      await make('b');
      await make('c');
      const labelSelector = `stem=${stem}`;
      const page = await kube.list(CONFIG_MAPS, { namespace, labelSelector, limit: 1 });
      await make('d');
      await compact();
      const watchOptions = { namespace, timeoutSeconds: 5, resourceVersion: rvOf(old) };
      const late = kube.watch(
        CONFIG_MAPS,
        watchOptions,
        () => undefined,
        new AbortController().signal,
      );
      await expect(late).rejects.toMatchObject({ code: 'gone', status: 410 });
      const { continueToken = '' } = page;
      await expect(
        kube.list(CONFIG_MAPS, { namespace, labelSelector, limit: 1, continueToken }),
      ).rejects.toMatchObject({ code: 'gone', status: 410 });
      const fresh = await kube.list(CONFIG_MAPS, { namespace, labelSelector });
      expect(fresh.items).toHaveLength(4);
      const log = watch(fresh.resourceVersion, { labelSelector });
      await make('e');
      expect(await log.waitFor(1)).toEqual([`added ${stem}-e`]);
      await log.stop();
    }, 30_000);
  });
}
