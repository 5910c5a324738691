import type { AgentReservation } from '../../allocator/types.ts';
import { equalJson } from '../../model/hash.ts';
import { type Resources, subtract, sumOf } from '../../model/resources.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import { formatResources } from '../../schema/quantity.ts';
import { formatWithZeros } from '../role/amountsInStatus.ts';
import { attributesOf, nodeCapacity } from '../scheduling/agents.ts';
import type { Ledger } from '../scheduling/ledger.ts';
import { isoTime, withCondition } from '../shared/conditions.ts';
import { rememberFor } from '../shared/rememberFor.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import { timeOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { type BindAgent, type Binding, bindReservations } from './bindReservations.ts';
import { reservedByAgent } from './reservedByAgent.ts';
import { usedByReservation } from './reservedUse.ts';
import { isDestroyed, isVolume, volumeSize } from './volumeObjects.ts';

export interface ReservationOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly ledger: () => Ledger;
  /** The objects, with those that frameworks are making now. */
  readonly current: () => ReadonlyMap<string, ReservationObject>;
}

export interface ReservationController {
  reconcile(name: string): Promise<WorkResult>;
  /** What is reserved on each agent, as the objects record it: a binding counts once it is written. */
  reserved(): ReadonlyMap<string, readonly AgentReservation[]>;
}

/** One reading of the figures serves all reservations that are looked at within this time. */
const FIGURES_MS = 500;
/** Agents come and go; a reservation that waits for one is looked at more often. */
const REFRESH_MS = 15_000;
const WAITING_MS = 5_000;
/** However many reservations there are, no more of them than this are looked at in a second. */
const LOOKS_PER_SECOND = 20;
/** Missing agents recorded in one status. */
const MOST_MISSING = 1_000;

/** Binds Reservation objects to agents and keeps the binding in their status, where it survives a restart. */
export function createReservationController(options: ReservationOptions): ReservationController {
  const { world } = options;
  const figures = rememberFor(options.clock, FIGURES_MS, () => gather(options));
  let known:
    | {
        readonly of: ReadonlyMap<string, ReservationObject>;
        readonly map: ReadonlyMap<string, readonly AgentReservation[]>;
      }
    | undefined;
  return {
    reserved() {
      const of = options.current();
      if (known?.of !== of) known = { of, map: reservedByAgent([...of.values()]) };
      return known.map;
    },
    async reconcile(name) {
      const reservation = world.reservations.get({ name });
      if (reservation === undefined) return { kind: 'awaitChange' };
      let view = figures();
      // Figures may be shown late; where something is bound is decided by what is so now.
      if (!isAsBound(reservation, view.bindings.get(name))) view = gather(options);
      const binding = view.bindings.get(name);
      if (binding === undefined) return { kind: 'awaitChange' };
      await writeBinding(options, reservation, binding, view.used);
      const isBound = binding.reason === 'Bound' || binding.reason === 'Expired';
      const paceMs = (world.reservations.size / LOOKS_PER_SECOND) * 1000;
      return {
        kind: 'requeueAfter',
        delayMs: Math.max(isBound ? REFRESH_MS : WAITING_MS, paceMs),
      };
    },
  };
}

interface Gathered {
  readonly bindings: ReadonlyMap<string, Binding>;
  /** What tasks hold of each reservation. */
  readonly used: ReadonlyMap<string, Resources>;
}

/** Everything all reservations need, in one pass. */
function gather(options: ReservationOptions): Gathered {
  const ledger = options.ledger();
  const reserved = reservedByAgent(options.world.reservations.list());
  return {
    bindings: bindingsNow(options, ledger),
    used: usedByReservation(reserved, ledger.tasks),
  };
}

/** The status says of the present spec what the binding does. */
function isAsBound({ metadata, status }: ReservationObject, binding: Binding | undefined): boolean {
  return (
    binding !== undefined &&
    status?.observedGeneration === metadata.generation &&
    equalJson(status?.agents, binding.agents) &&
    equalJson(status?.resources, formatResources(binding.resources)) &&
    status?.conditions?.find((one) => one.type === 'Ready')?.reason === binding.reason
  );
}

function bindingsNow(options: ReservationOptions, ledger: Ledger): ReadonlyMap<string, Binding> {
  return bindReservations({
    reservations: options.world.reservations
      .list()
      .filter((one) =>
        isVolume(one) ? !isDestroyed(one) : one.metadata.deletionTimestamp === undefined,
      ),
    agents: bindAgents(options.world, ledger),
    nowMs: options.clock.nowMs(),
    parseTime: (iso) => Date.parse(iso),
  });
}

function bindAgents(world: World, ledger: Ledger): readonly BindAgent[] {
  const tasksOf = Map.groupBy(ledger.tasks, (task): string => task.agent);
  const foreignOf: ReadonlyMap<string, Resources> = ledger.foreign;
  return world.nodes.list().map((node) => {
    const { name } = node.metadata;
    const tasks = tasksOf.get(name) ?? [];
    return {
      name,
      labels: attributesOf(node, world.agents.get({ name })),
      total: nodeCapacity(node),
      taken: sumOf([
        foreignOf.get(name) ?? {},
        // What runs inside a reservation takes nothing that is unreserved.
        ...tasks.map((task) => subtract(task.resources, task.reserved)),
      ]),
      reservedUse: tasks.map((task) => ({
        role: task.role,
        resources: subtract(task.reserved, heldInVolumes(world, task.volumes)),
      })),
    };
  });
}

/** Disk of volumes is refined by nobody. */
const heldInVolumes = (world: World, names: readonly string[]): Resources =>
  sumOf(
    names.flatMap((name): readonly Resources[] => {
      const volume = world.reservations.get({ name });
      return volume === undefined || volume.spec.volume?.shared === true
        ? []
        : [volumeSize(volume)];
    }),
  );

async function writeBinding(
  { kube, clock }: ReservationOptions,
  reservation: ReservationObject,
  binding: Binding,
  used: ReadonlyMap<string, Resources>,
): Promise<void> {
  const { spec, metadata } = reservation;
  const generation = metadata.generation ?? 0;
  const madeAtMs = timeOf(metadata.creationTimestamp) ?? clock.nowMs();
  const { ttlSeconds } = spec;
  await writeStatus<ReservationObject>(kube, RESERVATIONS, reservation, {
    ...(ttlSeconds === undefined ? {} : { expiresAt: isoTime(madeAtMs + ttlSeconds * 1000) }),
    observedGeneration: generation,
    agents: [...binding.agents],
    ...(binding.missing.length === 0 ? {} : { missing: missingIn(binding) }),
    resources: formatResources(binding.resources),
    wanted: binding.wanted,
    boundCount: binding.agents.length,
    allocated: formatWithZeros(binding.resources, used.get(metadata.name) ?? {}),
    conditions: withCondition(
      reservation.status?.conditions,
      {
        type: 'Ready',
        status: binding.reason === 'Bound' ? 'True' : 'False',
        reason: binding.reason,
        message: binding.message,
      },
      generation,
      isoTime(clock.nowMs()),
    ),
  });
}

const missingIn = ({ missing }: Binding): { name: string; since: string }[] =>
  missing.slice(0, MOST_MISSING).map(({ name, sinceMs }) => ({ name, since: isoTime(sinceMs) }));
