import type { AgentReservation } from '../../allocator/types.ts';
import { subtract, sumOf } from '../../model/resources.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import { formatResources } from '../../schema/quantity.ts';
import { attributesOf, nodeCapacity } from '../scheduling/agents.ts';
import type { Ledger } from '../scheduling/ledger.ts';
import { type ConditionValue, isoTime, withCondition } from '../shared/conditions.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import { timeOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { type Binding, bindReservations, reservedByAgent } from './bindReservations.ts';

export interface ReservationOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly ledger: () => Ledger;
}

export interface ReservationController {
  reconcile(name: string): Promise<WorkResult>;
  /** What is reserved on each agent, as the objects record it: a binding counts once it is written. */
  reserved(): ReadonlyMap<string, readonly AgentReservation[]>;
}

const REFRESH_MS = 15_000;

/** Binds Reservation objects to agents and keeps the binding in their status, where it survives a restart. */
export function createReservationController(options: ReservationOptions): ReservationController {
  return {
    reserved() {
      const reservations = options.world.reservations.list();
      const recorded = new Map<string, Binding>(
        reservations.map((one) => [
          one.metadata.name,
          { agents: one.status?.agents ?? [], wanted: 0, expired: false, problem: undefined },
        ]),
      );
      return reservedByAgent(reservations, recorded);
    },
    async reconcile(name) {
      const reservation = options.world.reservations.get({ name });
      if (reservation === undefined) return { kind: 'awaitChange' };
      const binding = bindingsNow(options).get(name);
      if (binding !== undefined) await writeBinding(options, reservation, binding);
      return { kind: 'requeueAfter', delayMs: REFRESH_MS };
    },
  };
}

function bindingsNow(options: ReservationOptions): ReadonlyMap<string, Binding> {
  const ledger = options.ledger();
  return bindReservations({
    reservations: options.world.reservations
      .list()
      .filter((one) => one.metadata.deletionTimestamp === undefined),
    agents: options.world.nodes.list().map((node) => ({
      name: node.metadata.name,
      labels: attributesOf(node, options.world.agents.get({ name: node.metadata.name })),
      total: nodeCapacity(node),
      taken: sumOf([
        ledger.foreign.get(node.metadata.name as never) ?? {},
        ...ledger.tasks
          .filter((task) => task.agent === node.metadata.name)
          // What runs inside a reservation takes nothing that is unreserved.
          .map((task) => subtract(task.resources, task.reserved)),
      ]),
    })),
    nowMs: options.clock.nowMs(),
    parseTime: (iso) => Date.parse(iso),
  });
}

async function writeBinding(
  options: ReservationOptions,
  reservation: ReservationObject,
  binding: Binding,
): Promise<void> {
  const generation = reservation.metadata.generation ?? 0;
  const inUse = options
    .ledger()
    .tasks.filter(
      (task) => task.role === reservation.spec.role && binding.agents.includes(task.agent),
    );
  const { ttlSeconds } = reservation.spec;
  const madeAtMs = timeOf(reservation.metadata.creationTimestamp) ?? options.clock.nowMs();
  const { expiresAt: _former, ...kept } = reservation.status ?? {};
  await writeStatus<ReservationObject>(options.kube, RESERVATIONS, reservation, {
    ...kept,
    ...(ttlSeconds === undefined ? {} : { expiresAt: isoTime(madeAtMs + ttlSeconds * 1000) }),
    observedGeneration: generation,
    agents: [...binding.agents],
    boundCount: binding.agents.length,
    allocated: formatResources(sumOf(inUse.map((task) => task.reserved))),
    conditions: withCondition(
      reservation.status?.conditions,
      condition(binding),
      generation,
      isoTime(options.clock.nowMs()),
    ),
  });
}

function condition(binding: Binding): ConditionValue {
  if (binding.problem === undefined) {
    return {
      type: 'Ready',
      status: 'True',
      reason: 'Bound',
      message: `bound on ${binding.agents.join(', ')}`,
    };
  }
  return {
    type: 'Ready',
    status: 'False',
    reason: binding.expired ? 'Expired' : 'NotBound',
    message: binding.problem,
  };
}
