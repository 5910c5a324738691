import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { ApiHarness } from '../../../../test/support/apiHarness.ts';
import { mutatedBytes, mutatedJson } from '../../../../test/support/mutations.ts';
import type { OperatorCallType } from '../../schema/mesos/operatorCall.ts';
import { OPERATOR_CALL_CODEC } from '../../schema/mesos/operatorCodec.ts';
import type { WireObject } from '../../schema/mesos/proto/types.ts';

const AGENT = { agent_id: { value: 'node-1' } };
const CPUS = { name: 'cpus', type: 'SCALAR', scalar: { value: 1 } };
const RESERVED = { ...CPUS, reservations: [{ type: 'DYNAMIC', role: 'eng' }] };
const VOLUME = {
  ...RESERVED,
  name: 'disk',
  disk: { persistence: { id: 'v' }, volume: { container_path: 'data', mode: 'RW' } },
};
const MACHINES = { machines: [{ hostname: 'node-1', ip: '10.0.0.1' }] };
const UNAVAILABILITY = { start: { nanoseconds: 2e18 }, duration: { nanoseconds: 3.6e12 } };
const FILE = { path: '/var/log' };

/** A whole body of each call that has one; total, so that no call is forgotten. */
const BODIES = {
  UNKNOWN: undefined,
  GET_HEALTH: undefined,
  GET_FLAGS: undefined,
  GET_VERSION: undefined,
  GET_METRICS: undefined,
  GET_LOGGING_LEVEL: undefined,
  SET_LOGGING_LEVEL: { level: 1, duration: { nanoseconds: 1e9 } },
  LIST_FILES: FILE,
  READ_FILE: { ...FILE, offset: 0 },
  GET_STATE: undefined,
  GET_AGENTS: undefined,
  GET_FRAMEWORKS: undefined,
  GET_EXECUTORS: undefined,
  GET_OPERATIONS: undefined,
  GET_TASKS: undefined,
  GET_ROLES: undefined,
  GET_WEIGHTS: undefined,
  UPDATE_WEIGHTS: { weight_infos: [{ role: 'eng', weight: 2 }] },
  GET_MASTER: undefined,
  SUBSCRIBE: undefined,
  RESERVE_RESOURCES: { ...AGENT, resources: [RESERVED] },
  UNRESERVE_RESOURCES: { ...AGENT, resources: [RESERVED] },
  CREATE_VOLUMES: { ...AGENT, volumes: [VOLUME] },
  DESTROY_VOLUMES: { ...AGENT, volumes: [VOLUME] },
  GROW_VOLUME: { ...AGENT, volume: VOLUME, addition: { ...RESERVED, name: 'disk' } },
  SHRINK_VOLUME: { ...AGENT, volume: VOLUME, subtract: { value: 1 } },
  GET_MAINTENANCE_STATUS: undefined,
  GET_MAINTENANCE_SCHEDULE: undefined,
  UPDATE_MAINTENANCE_SCHEDULE: {
    schedule: {
      windows: [{ machine_ids: MACHINES.machines, unavailability: UNAVAILABILITY }],
    },
  },
  START_MAINTENANCE: MACHINES,
  STOP_MAINTENANCE: MACHINES,
  DRAIN_AGENT: { ...AGENT, max_grace_period: { seconds: 5 }, mark_gone: true },
  DEACTIVATE_AGENT: AGENT,
  REACTIVATE_AGENT: AGENT,
  GET_QUOTA: undefined,
  UPDATE_QUOTA: {
    force: true,
    quota_configs: [{ role: 'eng', guarantees: { cpus: { value: 1 } }, limits: {} }],
  },
  SET_QUOTA: { quota_request: { force: true, role: 'eng', guarantee: [CPUS] } },
  REMOVE_QUOTA: { role: 'eng' },
  TEARDOWN: { framework_id: { value: 'mezzo-1-0000' } },
  MARK_AGENT_GONE: AGENT,
} as const satisfies Record<OperatorCallType, object | undefined>;

const CALLS: readonly WireObject[] = Object.entries(BODIES).map(([type, body]) => ({
  type,
  ...(body === undefined ? {} : { [type.toLowerCase()]: body }),
}));

let api: ApiHarness;
beforeEach(async () => {
  api = await ApiHarness.start();
});
afterEach(() => api.stop());

describe('mutations of every operator call', () => {
  /** Whatever comes, it is an answer of the contract: what was asked for, or what is wrong with it. */
  const ALLOWED = new Set([200, 202, 400, 403, 404, 409, 501]);

  const check = async (type: string, bodies: fc.Arbitrary<Uint8Array<ArrayBuffer> | string>) => {
    let callers = 0;
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        callers += 1;
        const response = await fetch(`${api.url}/api/v1`, {
          method: 'POST',
          headers: { 'content-type': type, authorization: `Bearer caller-${callers}` },
          body,
        });
        await response.body?.cancel();
        expect(ALLOWED).toContain(response.status);
      }),
      { numRuns: 400 },
    );
    expect((await api.get('/health')).status).toBe(200);
  };

  test('in JSON: values replaced, removed and doubled', async () => {
    await check('application/json', mutatedJson(CALLS));
  }, 60_000);

  test('in protobuf: bytes changed, cut and put in', async () => {
    const bytes = CALLS.map((call) => OPERATOR_CALL_CODEC.toProto(call));
    await check('application/x-protobuf', mutatedBytes(bytes));
  }, 60_000);
});
