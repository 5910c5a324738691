import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ResourceRef } from '../../../operator/src/ports/kubeApi.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import {
  AGENTS,
  type AgentObject,
  QUOTAS,
  ROLES,
  SERVICE_JOBS,
} from '../../../operator/src/schema/mezzoKinds.ts';
import { eventually, OperatorCluster, type OperatorProcess, template } from './operatorCluster.ts';

const CRDS = join(import.meta.dirname, '../../../crds');

let all: OperatorCluster;
let operator: OperatorProcess;

beforeAll(async () => {
  all = await OperatorCluster.start();
  for (const role of ['web', 'eng']) await all.make(ROLES, role, { path: role });
  await all.make(QUOTAS, 'eng', { role: 'eng', limits: { cpus: '1', mem: '1Gi' } });
  operator = await all.startOperator('operator-1');
}, 240_000);
afterAll(async () => {
  await all?.stop();
}, 60_000);

const uidsOf = (pods: readonly Pod[]): string[] =>
  pods.map((pod) => pod.metadata.uid ?? '').toSorted();

/** Takes any spec and status for a kind, as a CRD of another version might. */
async function loosen(...kinds: readonly ResourceRef[]): Promise<void> {
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const schema = { type: 'object', properties: { spec: anything, status: anything } };
  for (const { plural, group } of kinds) {
    const version = '/spec/versions/0';
    await all.cluster.kubectl([
      'patch',
      'crd',
      `${plural}.${group}`,
      '--type=json',
      `--patch=${JSON.stringify([
        { op: 'remove', path: `${version}/selectableFields` },
        { op: 'replace', path: `${version}/schema/openAPIV3Schema`, value: schema },
      ])}`,
    ]);
  }
}

/** Tries until the API server has taken up the looser schema. */
const write = (ref: ResourceRef, name: string, patch: object): Promise<boolean> =>
  eventually(`${ref.kind} ${name} to be written`, async () => {
    await all.change(ref, name, patch);
    return true;
  });

const metric = async (line: RegExp): Promise<number> => {
  const response = await fetch(`${operator.metricsUrl}/metrics`);
  return Number(line.exec(await response.text())?.[1] ?? 0);
};

describe('objects stored under a looser schema', () => {
  let before: readonly Pod[];

  beforeAll(async () => {
    for (const name of ['good', 'old'])
      await all.make(SERVICE_JOBS, name, {
        role: 'web',
        instances: 2,
        template: template('100m'),
      });
    before = [...(await all.running('good', 2)), ...(await all.running('old', 2))];
    await eventually('the Agent objects', async () => {
      const { items } = await all.kube.list<AgentObject>(AGENTS, {});
      return items.length === 2 ? true : undefined;
    });
    await operator.process.kill('SIGKILL');
    await loosen(SERVICE_JOBS, QUOTAS, AGENTS);
    await write(SERVICE_JOBS, 'old', { spec: { priority: 'high' } });
    await write(QUOTAS, 'eng', { spec: { limits: { cpus: 'lots' } } });
    // An agent that is used: nothing but the fault can keep the next tasks away from it.
    await write(AGENTS, before[0]?.spec.nodeName ?? '', { spec: { freeze: 'maybe' } });
    await all.cluster.kubectl(['replace', '-f', CRDS]);
    operator = await all.startOperator('operator-2');
    await eventually('the process to lead', async () =>
      (await operator.isLeading()) ? true : undefined,
    );
  }, 240_000);

  test('are told of by an event that names the field, and counted', async () => {
    const notes = await eventually('the events', async () => {
      const found = [...(await all.notesOn('old')), ...(await all.notesOn('eng'))].filter((note) =>
        note.startsWith('Warning Unreadable: '),
      );
      return found.length >= 2 ? found : undefined;
    });
    expect(notes.find((note) => note.includes('spec.priority: '))).toBeDefined();
    expect(notes.find((note) => note.includes('spec.limits.cpus: '))).toBeDefined();
    for (const kind of ['ServiceJob', 'Quota', 'Agent'])
      expect(
        await metric(new RegExp(`^mezzo_poison_objects_total\\{kind="${kind}"\\} (\\d+)$`, 'm')),
      ).toBe(1);
  }, 90_000);

  test('do not stop the others, and what they run goes on', async () => {
    await write(SERVICE_JOBS, 'good', { spec: { instances: 3 } });
    const after = [...(await all.running('good', 3)), ...(await all.running('old', 2))];
    expect(uidsOf(after)).toEqual(expect.arrayContaining(uidsOf(before)));
    expect(after).toHaveLength(5);
  }, 90_000);

  test('a Quota among them closes its role, an Agent takes nothing new', async () => {
    await all.make(SERVICE_JOBS, 'limited', { role: 'eng', template: template('100m') });
    const told = await all.told(SERVICE_JOBS, 'limited', {
      type: 'Ready',
      reason: 'QuotaExceeded',
    });
    expect(told.message).toContain('the limit of role `eng` is 0');
    const { items } = await all.kube.list<AgentObject>(AGENTS, {});
    const frozen = items.find(({ spec }) => spec?.freeze !== undefined)?.metadata.name;
    const nodesBefore = before.map(({ spec }) => spec.nodeName);
    await all.make(SERVICE_JOBS, 'elsewhere', {
      role: 'web',
      instances: 6,
      template: template('50m'),
    });
    const placed = (await all.running('elsewhere', 6)).map(({ spec }) => spec.nodeName);
    expect(nodesBefore).toContain(frozen);
    expect(placed).not.toContain(frozen);
  }, 90_000);

  test('are taken up again once they are mended', async () => {
    await write(SERVICE_JOBS, 'old', { spec: { instances: 1, priority: 0 } });
    await all.running('old', 1);
    await write(QUOTAS, 'eng', { spec: { limits: { cpus: '1' } } });
    await all.running('limited', 1);
  }, 90_000);
});
