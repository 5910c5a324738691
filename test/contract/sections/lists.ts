import { describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { CONFIG_MAPS, NODES, PODS } from '../../../operator/src/schema/kubeKinds.ts';
import { type ContractEnv, configMap, freshName, nodeOf, podOf, removeNode } from '../fixtures.ts';

const names = (items: readonly KubeObject[]): readonly string[] =>
  items.map(({ metadata }) => metadata.name);

export function listContract(env: () => ContractEnv): void {
  describe('list', () => {
    test('selects by label in every form', async () => {
      const { kube, namespace } = env();
      const stem = freshName('select');
      const make = (
        suffix: string,
        labels: { readonly [key: string]: string },
      ): Promise<KubeObject> =>
        kube.create(PODS, podOf(namespace, `${stem}-${suffix}`, { labels: { stem, ...labels } }));
      await make('a', { tier: 'production' });
      await make('b', { tier: 'revocable', extra: 'yes' });
      await make('c', {});
      const rows: readonly (readonly [string, readonly string[]])[] = [
        ['tier=production', ['a']],
        ['tier==production', ['a']],
        ['tier!=production', ['b', 'c']],
        ['tier in (production, revocable)', ['a', 'b']],
        ['tier notin (production)', ['b', 'c']],
        ['extra', ['b']],
        ['!extra', ['a', 'c']],
        ['tier,!extra', ['a']],
      ];
      for (const [selector, expected] of rows) {
        const { items } = await kube.list(PODS, {
          namespace,
          labelSelector: `stem=${stem},${selector}`,
        });
        expect([selector, names(items)]).toEqual([
          selector,
          expected.map((suffix) => `${stem}-${suffix}`),
        ]);
      }
      await expect(kube.list(PODS, { namespace, labelSelector: 'a=b=c' })).rejects.toMatchObject({
        code: 'badRequest',
        status: 400,
      });
    });

    test('selects Pods by name, node and phase, and refuses other fields', async () => {
      const { kube, namespace } = env();
      const stem = freshName('field');
      await kube.create(
        PODS,
        podOf(namespace, `${stem}-a`, { labels: { stem }, nodeName: 'node-x' }),
      );
      await kube.create(PODS, podOf(namespace, `${stem}-b`, { labels: { stem } }));
      const patch = { status: { phase: 'Running' } };
      await kube.patch(PODS, { name: `${stem}-b`, namespace }, 'merge', patch, {
        subresource: 'status',
      });
      const select = async (fieldSelector: string): Promise<readonly string[]> =>
        names(
          (await kube.list(PODS, { namespace, labelSelector: `stem=${stem}`, fieldSelector }))
            .items,
        );
      expect(await select(`metadata.name=${stem}-a`)).toEqual([`${stem}-a`]);
      expect(await select('spec.nodeName=node-x')).toEqual([`${stem}-a`]);
      expect(await select('spec.nodeName=')).toEqual([`${stem}-b`]);
      expect(await select('status.phase!=Running')).toEqual([`${stem}-a`]);
      await expect(select('spec.hostname=x')).rejects.toMatchObject({ code: 'badRequest' });
    });

    test('pages show one moment and end without a token', async () => {
      const { kube, namespace } = env();
      const stem = freshName('page');
      const labelSelector = `stem=${stem}`;
      const make = async (suffix: string): Promise<void> => {
        const object = configMap(namespace, `${stem}-${suffix}`);
        await kube.create(CONFIG_MAPS, {
          ...object,
          metadata: { ...object.metadata, labels: { stem } },
        });
      };
      for (const suffix of ['a', 'b', 'c', 'd', 'e']) await make(suffix);
      const first = await kube.list(CONFIG_MAPS, { namespace, labelSelector, limit: 2 });
      expect(names(first.items)).toEqual([`${stem}-a`, `${stem}-b`]);
      await make('aa');
      await make('f');
      await kube.delete(CONFIG_MAPS, { name: `${stem}-c`, namespace });
      const { continueToken = '' } = first;
      const second = await kube.list(CONFIG_MAPS, {
        namespace,
        labelSelector,
        limit: 2,
        continueToken,
      });
      expect(names(second.items)).toEqual([`${stem}-c`, `${stem}-d`]);
      const last = await kube.list(CONFIG_MAPS, {
        namespace,
        labelSelector,
        limit: 2,
        continueToken: second.continueToken ?? '',
      });
      expect(names(last.items)).toEqual([`${stem}-e`]);
      expect(last.continueToken).toBeUndefined();
      expect(last.resourceVersion).toBe(first.resourceVersion);
    });

    test('of a cluster-scoped kind needs no namespace', async () => {
      const { kube } = env();
      const name = freshName('listed');
      await kube.create(NODES, nodeOf(name));
      const { items } = await kube.list(NODES, { fieldSelector: `metadata.name=${name}` });
      expect(names(items)).toEqual([name]);
      expect(items[0]).toMatchObject({ apiVersion: 'v1', kind: 'Node' });
      await removeNode(kube, name);
    });

    test('its resourceVersion is at least that of everything in it', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('version')));
      for (const resourceVersion of [undefined, '0']) {
        const page = await kube.list(CONFIG_MAPS, {
          namespace,
          ...(resourceVersion !== undefined && { resourceVersion }),
        });
        if (resourceVersion === undefined) expect(names(page.items)).toContain(made.metadata.name);
        for (const item of page.items) {
          expect(Number(item.metadata.resourceVersion)).toBeLessThanOrEqual(
            Number(page.resourceVersion),
          );
        }
      }
    });
  });
}
