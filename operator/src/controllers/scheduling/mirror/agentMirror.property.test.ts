import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import { OperatorWorld, RUNNING, taskPod } from '../../../../../test/support/operatorWorld.ts';
import type { AgentReservation } from '../../../allocator/types.ts';
import { agentId, frameworkId, offerId, rolePath } from '../../../model/ids.ts';
import { NODES, PODS } from '../../../schema/kubeKinds.ts';
import type { Node, Pod } from '../../../schema/kubeObjects.ts';
import { AGENTS } from '../../../schema/mezzoKinds.ts';
import type { OutstandingOffer } from '../../../state/offerBook.ts';
import type { CapacityHold } from '../../job/decideMatch.ts';
import { gatherSnapshot } from '../snapshot.ts';
import { AgentMirror } from './agentMirror.ts';

const NODE_NAMES = ['n1', 'n2', 'n3'];
const JOBS = ['shop', 'mail'];
const START = '2026-01-01T00:00:00Z';

type Step =
  | { readonly kind: 'node'; readonly node: string; readonly how: 'make' | 'delete' | 'cordon' }
  | { readonly kind: 'pod'; readonly node: string; readonly job: string; readonly how: PodChange }
  | { readonly kind: 'foreign'; readonly node: string }
  | { readonly kind: 'assume'; readonly node: string; readonly job: string }
  | { readonly kind: 'forget'; readonly pick: number }
  | { readonly kind: 'offer'; readonly node: string }
  | { readonly kind: 'end'; readonly pick: number }
  | { readonly kind: 'hold'; readonly node: string; readonly job: string }
  | { readonly kind: 'unhold' }
  | { readonly kind: 'reserve'; readonly node: string; readonly cpus: number }
  | { readonly kind: 'maintain'; readonly node: string }
  | { readonly kind: 'estimate'; readonly node: string }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'back'; readonly ms: number };
type PodChange = 'make' | 'run' | 'end' | 'delete';

const node = fc.constantFrom(...NODE_NAMES);
const job = fc.constantFrom(...JOBS);
const pick = fc.nat(5);
const kind = <K extends Step['kind']>(name: K): fc.Arbitrary<K> => fc.constant(name);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: kind('node'), node, how: fc.constantFrom('make', 'delete', 'cordon') }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind('pod'),
      node,
      job,
      how: fc.constantFrom('make', 'make', 'run', 'end', 'delete'),
    }),
  },
  fc.record({ kind: kind('foreign'), node }),
  fc.record({ kind: kind('assume'), node, job }),
  fc.record({ kind: kind('forget'), pick }),
  { weight: 2, arbitrary: fc.record({ kind: kind('offer'), node }) },
  fc.record({ kind: kind('end'), pick }),
  fc.record({ kind: kind('hold'), node, job }),
  fc.record({ kind: kind('unhold') }),
  fc.record({ kind: kind('reserve'), node, cpus: fc.nat(2000) }),
  fc.record({ kind: kind('maintain'), node }),
  fc.record({ kind: kind('estimate'), node }),
  fc.record({ kind: kind('wait'), ms: fc.nat(100_000) }),
  fc.record({ kind: kind('back'), ms: fc.nat(100_000) }),
) as fc.Arbitrary<Step>;

/** A cluster that changes, and the mirror of it. */
class Changing {
  readonly #clock = new FakeClock();
  readonly #all = new OperatorWorld(this.#clock);
  readonly #assumed: Pod[] = [];
  readonly #offers: OutstandingOffer[] = [];
  #holds: CapacityHold[] = [];
  readonly #reservations = new Map<string, AgentReservation[]>();
  readonly #maintained = new Set<string>();
  readonly #mirror = new AgentMirror({
    world: this.#all.world,
    launcher: { assumed: () => this.#assumed },
    clock: this.#clock,
    holds: () => this.#holds,
    reservations: () => this.#reservations,
    inMaintenance: () => this.#maintained,
    offersOn: (agent) => this.#offers.filter((one) => one.agent === agent),
  });
  #made = 0;

  async play(one: Step): Promise<void> {
    const { api } = this.#all;
    switch (one.kind) {
      case 'node':
        this.#changeNode(one.node, one.how);
        break;
      case 'pod':
        this.#changePod(one.node, one.job, one.how);
        break;
      case 'foreign':
        api.create(PODS, foreignPod(`dns-${this.#made++}`, one.node));
        break;
      case 'assume':
        this.#assume(taskPod({ job: one.job, agent: one.node, cpus: '500m' }));
        break;
      case 'forget':
        this.#assumed.splice(one.pick, 1);
        break;
      case 'offer':
        this.#offers.push(offerOn(one.node, this.#made++));
        this.#mirror.mark(agentId(one.node));
        break;
      case 'end':
        for (const ended of this.#offers.splice(one.pick, 1)) this.#mirror.mark(ended.agent);
        break;
      case 'hold':
        this.#holds = [...this.#holds, holdOn(one.node, one.job)];
        break;
      case 'unhold':
        this.#holds = this.#holds.slice(1);
        break;
      case 'reserve':
        this.#reservations.set(one.node, [
          { role: rolePath('web'), resources: { cpus: one.cpus }, reservationId: 'r' },
        ]);
        break;
      case 'maintain':
        if (!this.#maintained.delete(one.node)) this.#maintained.add(one.node);
        break;
      case 'estimate':
        this.#estimate(one.node);
        break;
      case 'wait':
        await this.#clock.advance(one.ms);
        break;
      case 'back':
        this.#clock.stepWall(-one.ms);
    }
  }

  check(): void {
    const gathered = gatherSnapshot({
      world: this.#all.world,
      assumed: this.#assumed,
      offers: this.#offers,
      holds: this.#holds,
      reservations: this.#reservations,
      inMaintenance: this.#maintained,
      frameworks: [],
      filters: [],
      counts: [],
      nowMs: this.#clock.nowMs(),
    });
    this.#mirror.look();
    for (const _ of this.#mirror.refresh());
    const records = [...this.#mirror.records()];
    const { agents, allocations } = gathered.snapshot;
    const byId = (left: { readonly id: string }, right: { readonly id: string }): number =>
      left.id < right.id ? -1 : 1;
    expect(records.flatMap((one) => one.facts.agent ?? []).toSorted(byId)).toEqual(
      agents.toSorted(byId),
    );
    const taken = records.flatMap((one) => one.facts.allocations);
    const words = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).toSorted();
    expect(words(taken)).toEqual(words(allocations));
  }

  /** A name is on its way once. */
  #assume(pod: Pod): void {
    const known = this.#assumed.findIndex((one) => one.metadata.name === pod.metadata.name);
    if (known >= 0) this.#assumed.splice(known, 1);
    this.#assumed.push(pod);
  }

  #changeNode(name: string, how: 'make' | 'delete' | 'cordon'): void {
    const { api, world } = this.#all;
    const known = world.nodes.get({ name });
    if (how === 'make' && known === undefined)
      this.#all.node(name, { cpu: '4', memory: '4Gi', pods: '3', [REVOCABLE]: '2000' });
    if (known === undefined) return;
    if (how === 'delete') api.delete(NODES, { name });
    if (how === 'cordon') api.update(NODES, { ...known, spec: { unschedulable: true } } as Node);
  }

  #changePod(agent: string, name: string, how: PodChange): void {
    const { api, world } = this.#all;
    const key = { namespace: 'apps', name: `${name}-0-0` };
    const known = world.pods.get(key);
    if (how === 'make' && known === undefined) {
      this.#all.pod({
        ...taskPod({ job: name, agent, cpus: '500m' }),
        metadata: { ...taskPod({ job: name }).metadata, finalizers: [] },
      });
      return;
    }
    if (known === undefined) return;
    if (how === 'run') this.#all.report(key.name, RUNNING);
    if (how === 'end') this.#all.report(key.name, { phase: 'Succeeded' });
    if (how === 'delete') api.delete(PODS, key, { gracePeriodSeconds: 0 });
  }

  #estimate(name: string): void {
    const { api, world } = this.#all;
    if (world.agents.get({ name }) === undefined) this.#all.make(AGENTS, name, {});
    const observedAt = new Date(this.#clock.nowMs()).toISOString();
    const revocable = { cpuMillis: 1500, memoryBytes: 0, observedAt };
    const object = api.get(AGENTS, { name });
    api.update(AGENTS, { ...object, status: { revocable } } as never, { subresource: 'status' });
  }
}

const REVOCABLE = 'mezzo.dev/revocable-cpu';

const foreignPod = (name: string, nodeName: string): Pod => ({
  metadata: { name, namespace: 'kube-system', creationTimestamp: START },
  spec: {
    nodeName,
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '100m' } } }],
  },
});

const offerOn = (agent: string, at: number): OutstandingOffer => ({
  id: offerId(`3-${at}`),
  framework: frameworkId('fw'),
  role: rolePath('web'),
  agent: agentId(agent),
  resources: { cpus: 100 },
  revocable: {},
  reserved: {},
  fromHold: {},
  issuedAtMs: 0,
});

const holdOn = (agent: string, name: string): CapacityHold => ({
  agent: agentId(agent),
  role: rolePath('web'),
  jobKey: `ServiceJob/apps/${name}`,
  instance: 0,
  resources: { cpus: 500 },
});

describe('the mirror of the agents', () => {
  test('says after any history what a look at everything says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
        async (history) => {
          const changing = new Changing();
          for (const steps of history) {
            for (const one of steps) await changing.play(one);
            changing.check();
          }
        },
      ),
      { numRuns: 400 },
    );
  }, 60_000);
});
