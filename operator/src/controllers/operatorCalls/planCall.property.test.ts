import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { AN_AGENT } from '../../../../test/support/clusterOf.ts';
import {
  type OperatorCall,
  parseOperatorCall,
  parseOperatorProtoCall,
} from '../../schema/mesos/operatorCall.ts';
import { OPERATOR_CALL_ENUMS } from '../../schema/mesos/operatorCallProto.ts';
import { OPERATOR_CALL_CODEC } from '../../schema/mesos/operatorCodec.ts';
import type { ClusterView } from '../clusterView/types.ts';
import { planCall, type WriteCall } from './planCall.ts';

const TYPES = Object.keys(OPERATOR_CALL_ENUMS['master.Call.Type']);
const VIEW: ClusterView = {
  agents: [AN_AGENT],
  frameworks: [],
  tasks: [],
  roles: [],
  inverseAnswers: [],
  windows: [
    {
      name: 'w',
      agents: ['node-1'],
      startMs: 0,
      durationMs: 60_000,
      mode: 'Freeze',
      active: true,
      bySelector: false,
      isAgentDrain: false,
    },
  ],
};

const isWrite = (call: OperatorCall): call is WriteCall =>
  !call.kind.startsWith('GET_') && call.kind !== 'SUBSCRIBE';

/** A plan or a refusal with a text, and only names that objects may have; never an exception. */
function judge(call: OperatorCall): void {
  if (!isWrite(call)) return;
  const plan = planCall(call, { view: VIEW, principal: 'alice', nowMs: 1_000 });
  if (!plan.ok) {
    expect(plan.refusal.message.length).toBeGreaterThan(0);
    return;
  }
  for (const write of plan.value) {
    const name = write.verb === 'create' ? write.object.metadata.name : write.name;
    expect(name).toMatch(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);
  }
}

const Text = fc.oneof(
  fc.constantFrom('node-1', '*', 'a/b', '', '..', 'Ünï/x', 'x'.repeat(300), '__proto__', 'cpus'),
  fc.string(),
);
const Number_ = fc.oneof(fc.double(), fc.integer(), fc.constantFrom('1e400', '-0', 1e20));
const { value: Value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    Text,
    Number_,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(
        'value',
        'agent_id',
        'role',
        'resources',
        'limits',
        'cpus',
        'windows',
        'name',
        'scalar',
        'type',
        'machines',
        'hostname',
        'weight',
        'nanoseconds',
        '__proto__',
      ),
      tie('value'),
    ),
  ),
}));

/** Bodies that are nearly right. */
const Scalar = fc.record({ value: Number_ });
const Resource = fc.record(
  {
    name: Text,
    type: fc.constantFrom('SCALAR', 'RANGES', 'SET'),
    scalar: Scalar,
    role: Text,
    reservations: fc.array(fc.record({ role: Text, principal: Text }, { requiredKeys: [] }), {
      maxLength: 2,
    }),
  },
  { requiredKeys: ['name', 'type'] },
);
const Agent = fc.record({ value: fc.oneof(fc.constant('node-1'), Text) });
const Machines = fc.array(
  fc.oneof(
    fc.constant({ hostname: 'node-1' }),
    fc.record({ hostname: Text, ip: Text }, { requiredKeys: [] }),
  ),
  {
    maxLength: 3,
  },
);
const Role = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('eng', 'a/b') },
  { arbitrary: Text, weight: 1 },
);
const Nanoseconds = fc.oneof(
  fc.constantFrom('9223372036854775807', '-9223372036854775808', '1795286874000000000', 0, -1),
  fc.integer(),
);
const Time = fc.record({ nanoseconds: Nanoseconds });
const CALLS: { readonly [type: string]: fc.Arbitrary<object> } = {
  UPDATE_WEIGHTS: fc.record({
    weight_infos: fc.array(fc.record({ role: Role, weight: fc.oneof(fc.integer(), Number_) })),
  }),
  UPDATE_QUOTA: fc.record({
    force: fc.boolean(),
    quota_configs: fc.array(
      fc.record({
        role: Role,
        guarantees: fc.dictionary(Text, Scalar),
        limits: fc.dictionary(Text, Scalar),
      }),
    ),
  }),
  SET_QUOTA: fc.record({
    quota_request: fc.record({ role: Role, guarantee: fc.array(Resource) }),
  }),
  REMOVE_QUOTA: fc.record({ role: Role }),
  RESERVE_RESOURCES: fc.record({ agent_id: Agent, resources: fc.array(Resource) }),
  UNRESERVE_RESOURCES: fc.record({ agent_id: Agent, resources: fc.array(Resource) }),
  UPDATE_MAINTENANCE_SCHEDULE: fc.record({
    schedule: fc.record({
      windows: fc.array(
        fc.record({
          machine_ids: Machines,
          unavailability: fc.record({ start: Time, duration: Time }, { requiredKeys: ['start'] }),
        }),
      ),
    }),
  }),
  START_MAINTENANCE: fc.record({ machines: Machines }),
  STOP_MAINTENANCE: fc.record({ machines: Machines }),
  DRAIN_AGENT: fc.record({ agent_id: Agent }),
  DEACTIVATE_AGENT: fc.record({ agent_id: Agent }),
  REACTIVATE_AGENT: fc.record({ agent_id: Agent }),
  MARK_AGENT_GONE: fc.record({ agent_id: Agent }),
  TEARDOWN: fc.record({ framework_id: Agent }),
};
const Call = fc.oneof(
  ...Object.entries(CALLS).map(([type, body]) =>
    body.map((one) => ({ type, [type.toLowerCase()]: one })),
  ),
);

describe('no call is taken badly', () => {
  test('whatever the JSON is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TYPES), Value, (type, value) => {
        const call = parseOperatorCall({ type, [type.toLowerCase()]: value });
        if (call.ok) judge(call.value);
        else expect(call.refusal.length).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });

  test('when it is nearly right, in both wire forms alike', () => {
    fc.assert(
      fc.property(Call, (written) => {
        const json = parseOperatorCall(written);
        if (!json.ok) return;
        judge(json.value);
        const wire = OPERATOR_CALL_CODEC.fromJson(written);
        if (!wire.ok) return;
        expect(parseOperatorProtoCall(OPERATOR_CALL_CODEC.toProto(wire.value)).ok).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('whatever the bytes are', () => {
    const whole = OPERATOR_CALL_CODEC.toProto({
      type: 'RESERVE_RESOURCES',
      reserve_resources: {
        agent_id: { value: 'node-1' },
        resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 1 }, role: 'a' }],
      },
    });
    const Changed = fc
      .array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 })
      .map((changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, byte] of changes) bytes[at] = byte;
        return new Uint8Array(bytes);
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), Changed), (bytes) => {
        const call = parseOperatorProtoCall(bytes);
        if (call.ok) judge(call.value);
        else expect(call.refusal.length).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });
});
