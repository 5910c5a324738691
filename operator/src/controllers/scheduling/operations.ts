import type { AgentId, FrameworkId } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { OutstandingOffer } from '../../state/offerBook.ts';
import type { FrameworkReservations } from '../reservation/frameworkReservations.ts';
import { planOperation, type ReservationOperation } from '../reservation/planOperation.ts';
import type { Launcher } from '../task/launcher.ts';
import { AcceptedPool } from './acceptedPool.ts';
import type { Members } from './members.ts';
import { placedPod } from './placedPod.ts';
import type { LaunchRequest, LaunchVerdict, OfferOperation, OperationVerdict } from './types.ts';

interface OperationsOptions {
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

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  /** `offers`: at least one, all of one agent. */
  carryOut(
    framework: FrameworkId,
    offers: readonly OutstandingOffer[],
    operations: readonly OfferOperation[],
  ): Performed {
    const pool = new AcceptedPool(offers);
    const agent = (offers[0] as OutstandingOffer).agent;
    const verdicts = operations.map((one) =>
      one.kind === 'launch'
        ? this.#launch(framework, agent, pool, one.launch)
        : this.#reserve(framework, agent, pool, one),
    );
    return { verdicts, left: { resources: pool.resources, revocable: pool.revocable } };
  }

  #launch(
    framework: FrameworkId,
    agent: AgentId,
    pool: AcceptedPool,
    launch: LaunchRequest,
  ): LaunchVerdict {
    if (!pool.holds(launch.resources, launch.revocable)) {
      const message = `task ${launch.task} asks for more than is left of the accepted offers on ${agent}`;
      return { kind: 'refused', task: launch.task, reason: 'NotEnoughOffered', message };
    }
    const placed = placedPod(launch, agent, pool.reserved);
    pool.take(launch.resources, placed.reserved, launch.revocable);
    this.#options.launcher.launch(
      { task: launch.task, pod: placed.pod, impersonate: launch.impersonate },
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
    request: ReservationOperation,
  ): OperationVerdict {
    const { operation } = request;
    const { frameworkReservations, members, onDone } = this.#options;
    const reservations = frameworkReservations.current();
    const plan = planOperation(pool.forReservations, request, { framework, agent, reservations });
    if (plan.kind === 'refused')
      return { kind: 'operationRefused', operation, message: plan.message };
    pool.replace(plan.pool);
    frameworkReservations.apply(plan, (result) => {
      members.callbacks(framework)?.onOperation?.(operation, result);
      onDone();
    });
    return { kind: 'reserving', operation };
  }
}
