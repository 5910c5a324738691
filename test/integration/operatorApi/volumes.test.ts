import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RESERVATIONS, type ReservationObject } from '../../../operator/src/schema/mezzoKinds.ts';
import { eventually, OperatorCluster, type OperatorProcess } from '../operator/operatorCluster.ts';

/** Volumes by the operator API on a real API server; the nodes pretend, so no folder is made anywhere. */

const AGENT = 'mezzo-fake-1';

let all: OperatorCluster;
let operator: OperatorProcess;

beforeAll(async () => {
  all = await OperatorCluster.start({ fakeNodes: 1 });
  operator = await all.startOperator();
  await eventually('the operator to lead', async () => (await operator.isLeading()) || undefined);
}, 240_000);
afterAll(() => all?.stop(), 60_000);

const disk = (mb: number, more: object = {}): object => ({
  name: 'disk',
  type: 'SCALAR',
  scalar: { value: mb },
  reservations: [{ type: 'DYNAMIC', role: 'eng', principal: 'local' }],
  ...more,
});
const volume = (mb: number): object =>
  disk(mb, { disk: { persistence: { id: 'data' }, volume: { container_path: 'd', mode: 'RW' } } });

/** Makes a call and returns its status with what a refusal says. */
async function call(type: string, body: object): Promise<string> {
  const response = await fetch(`${operator.url}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type, [type.toLowerCase()]: { agent_id: { value: AGENT }, ...body } }),
  });
  return `${response.status} ${await response.text()}`.trim();
}

const volumes = async (): Promise<readonly ReservationObject[]> =>
  (await all.kube.list<ReservationObject>(RESERVATIONS, {})).items.filter(
    (one) => one.spec.volume !== undefined,
  );

/** Waits until the volume is bound with that size. */
const bound = (size: string): Promise<boolean> =>
  eventually(`a bound volume of ${size}`, async () => {
    const [one] = await volumes();
    const isBound = one?.status?.agents?.includes(AGENT) === true;
    if (isBound && one.status?.resources?.['disk'] === size) return true;
    throw new Error(JSON.stringify(one?.status));
  });

test('CREATE_VOLUMES, GROW_VOLUME, SHRINK_VOLUME and DESTROY_VOLUMES, each once', async () => {
  await eventually(
    'a reservation',
    async () =>
      (await call('RESERVE_RESOURCES', { resources: [disk(32)] })).startsWith('202') || undefined,
  );
  await eventually('a volume', async () => {
    const answer = await call('CREATE_VOLUMES', { volumes: [volume(16)] });
    if (answer === '202') return true;
    throw new Error(answer);
  });
  await bound('16Mi');
  expect(await call('CREATE_VOLUMES', { volumes: [volume(16)] })).toMatch(
    /^409 .*'data' is in use/,
  );
  expect(await call('UNRESERVE_RESOURCES', { resources: [disk(32)] })).toMatch(/^409 .*volumes/);
  expect(await call('GROW_VOLUME', { volume: volume(16), addition: disk(8) })).toBe('202');
  await bound('24Mi');
  expect(await call('SHRINK_VOLUME', { volume: volume(16), subtract: { value: 4 } })).toMatch(
    /^409 .*another size: 24Mi/,
  );
  expect(await call('SHRINK_VOLUME', { volume: volume(24), subtract: { value: 4 } })).toBe('202');
  await bound('20Mi');
  const form = new URLSearchParams({ slaveId: AGENT, volumes: JSON.stringify([volume(20)]) });
  const old = await fetch(`${operator.url}/destroy-volumes`, { method: 'POST', body: form });
  expect(old.status).toBe(202);
  await eventually('its object to be gone', async () =>
    (await volumes()).length === 0 ? true : undefined,
  );
  expect(await call('DESTROY_VOLUMES', { volumes: [volume(20)] })).toMatch(/^400 .*not found/);
  expect(await call('UNRESERVE_RESOURCES', { resources: [disk(32)] })).toBe('202');
}, 240_000);
