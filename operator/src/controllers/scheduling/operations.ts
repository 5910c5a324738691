import type { TierMeter } from '../../allocator/tierCheck.ts';
import type { AgentId, FrameworkId } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { OutstandingOffer } from '../../state/offerBook.ts';
import type { FrameworkReservations } from '../reservation/frameworkReservations.ts';
import { planOperation, type ReservationOperation } from '../reservation/planOperation.ts';
import { isVolumeOperation, planVolume, type VolumeOperation } from '../reservation/planVolume.ts';
import type { Launcher } from '../task/launcher.ts';
import { isTaskPod, taskViewOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { AcceptedPool, type PartKind } from './acceptedPool.ts';
import type { Members } from './members.ts';
import { placedPod } from './placedPod.ts';
import type { TierGate } from './tierGate.ts';
import type { LaunchRequest, LaunchVerdict, OfferOperation, OperationVerdict } from './types.ts';

interface OperationsOptions {
  readonly world: Pick<World, 'pods'>;
  readonly tiers: TierGate;
  readonly launcher: Launcher;
  readonly frameworkReservations: FrameworkReservations;
  readonly metrics: Pick<Metrics, 'launch'>;
  readonly members: Members;
  /** An operation ended: what it did not use is free. */
  readonly onDone: () => void;
}

interface Performed {
  /** One per operation, in the same order. */
  readonly verdicts: readonly OperationVerdict[];
  /** What no operation took. */
  readonly left: { readonly resources: Resources; readonly revocable: Resources };
}

/** What frameworks do with the offers they accepted: one operation after the other, each on what the former ones left. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #tiers: TierGate;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#tiers = options.tiers;
  }

  /** `offers`: at least one, all of one agent. */
  carryOut(
    framework: FrameworkId,
    offers: readonly OutstandingOffer[],
    operations: readonly OfferOperation[],
  ): Performed {
    const { agent, role } = offers[0] as OutstandingOffer;
    const pool = new AcceptedPool(offers, () => this.#partKinds());
    const meter = this.#tiers.meter(role);
    const verdicts = operations.map((one) =>
      one.kind === 'launch'
        ? this.#launch(framework, agent, { pool, meter }, one.launch)
        : this.#reserve(framework, agent, pool, one),
    );
    return { verdicts, left: { resources: pool.resources, revocable: pool.revocable } };
  }

  #launch(
    framework: FrameworkId,
    agent: AgentId,
    { pool, meter }: { readonly pool: AcceptedPool; readonly meter: TierMeter | undefined },
    launch: LaunchRequest,
  ): LaunchVerdict {
    const missing = pool.missingVolume(launch);
    if (missing !== undefined || !pool.holds(launch)) {
      const message = `task ${launch.task} asks for more than is left of the accepted offers on ${agent}`;
      return { kind: 'refused', task: launch.task, reason: 'NotEnoughOffered', message };
    }
    const overTier = this.#tiers.admit(meter, launch.pod);
    if (overTier !== undefined)
      return { kind: 'refused', task: launch.task, reason: 'QuotaExceeded', message: overTier };
    const pod = placedPod(launch, agent, pool.take(launch));
    this.#options.launcher.launch(
      { task: launch.task, pod, impersonate: launch.impersonate, instead: launch.instead },
      (result) => {
        this.#options.metrics.launch(result.kind);
        const callbacks = this.#options.members.callbacks(framework);
        if (result.kind === 'failed') callbacks?.onLaunchFailed(launch.task, result.failure);
        if (result.kind === 'created') callbacks?.onLaunched?.(launch.task);
        this.#options.onDone();
      },
    );
    return { kind: 'launching', task: launch.task, agent };
  }

  #reserve(
    framework: FrameworkId,
    agent: AgentId,
    pool: AcceptedPool,
    request: ReservationOperation | VolumeOperation,
  ): OperationVerdict {
    const { operation } = request;
    const { frameworkReservations, members, onDone } = this.#options;
    const reservations = frameworkReservations.current();
    const isInUse = (name: string): boolean => this.#isInUse(agent, name);
    const context = { framework, agent, reservations, isInUse };
    const plan = isVolumeOperation(request)
      ? planVolume(pool.forReservations, request, context)
      : planOperation(pool.forReservations, request, context);
    if (plan.kind === 'refused')
      return { kind: 'operationRefused', operation, message: plan.message };
    frameworkReservations.apply(plan, (result) => {
      members.callbacks(framework)?.onOperation?.(operation, result);
      onDone();
    });
    // Afterwards: only now a volume that was just made is known as one.
    pool.replace(plan.pool);
    return { kind: 'reserving', operation };
  }

  #partKinds(): (reservation: string) => PartKind {
    const reservations = this.#options.frameworkReservations.current();
    return (name) => {
      const volume = reservations.get(name)?.spec.volume;
      if (volume === undefined) return 'plain';
      return volume.shared === true ? 'sharedVolume' : 'volume';
    };
  }

  /** A task that lives, or is being launched, holds the volume. */
  #isInUse(agent: AgentId, volume: string): boolean {
    const { world, launcher } = this.#options;
    return [...world.pods.byIndex('node', agent), ...launcher.assumed()].some((pod) => {
      const task = isTaskPod(pod) ? taskViewOf(pod) : undefined;
      return task !== undefined && !task.terminal && task.volumes.includes(volume);
    });
  }
}
