import type { AgentReservation, AllocateOptions } from '../../allocator/types.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { Unavailability } from '../../state/offerBook.ts';
import type { CapacityHold } from '../job/decideMatch.ts';
import type { FrameworkReservations } from '../reservation/frameworkReservations.ts';
import type { Launcher } from '../task/launcher.ts';
import type { World } from '../world.ts';
import type { BackOff } from './hoarders.ts';

/** What the allocation cycle needs of the rest of the operator. */
export interface SchedulingOptions {
  readonly world: World;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly epoch: () => number;
  /** False while this process may not act: no cycle runs. */
  readonly mayAct: () => boolean;
  readonly holds: () => readonly CapacityHold[];
  readonly reservations: () => ReadonlyMap<string, readonly AgentReservation[]>;
  /** Carries out what frameworks do to reservations. */
  readonly frameworkReservations: FrameworkReservations;
  readonly inMaintenance: () => ReadonlySet<string>;
  /** Agents that will be away, or are, by a maintenance window. */
  readonly unavailable: () => ReadonlyMap<string, Unavailability>;
  /** A framework let its offers run out again and again, and is left in peace for a while. */
  readonly onBackOff: (backOff: BackOff) => void;
  readonly batchMs: number;
  /** A cycle gives way to everything else after about this long; 0: wherever it may. */
  readonly sliceMs: number;
  readonly safetyNetMs: number;
  readonly offerTimeoutMs: number;
  readonly allocate: Omit<AllocateOptions, 'nowMs' | 'seed'>;
}
