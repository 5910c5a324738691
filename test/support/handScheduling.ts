import type { OperationResult } from '../../operator/src/controllers/reservation/frameworkReservations.ts';
import { placedPod } from '../../operator/src/controllers/scheduling/placedPod.ts';
import type {
  AcceptOutcome,
  FrameworkCallbacks,
  FrameworkRegistration,
  LaunchFailure,
  LaunchRequest,
  LaunchVerdict,
  Offer,
  OfferOperation,
  OperationVerdict,
  PerformOutcome,
  Scheduling,
} from '../../operator/src/controllers/scheduling/types.ts';
import {
  agentId,
  type FrameworkId,
  type OfferId,
  offerId,
  type RolePath,
} from '../../operator/src/model/ids.ts';
import {
  fits,
  min,
  NO_RESOURCES,
  type Resources,
  subtract,
} from '../../operator/src/model/resources.ts';
import type { KubeApi } from '../../operator/src/ports/kubeApi.ts';
import { PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import type { ReservationObject } from '../../operator/src/schema/mezzoKinds.ts';
import type { InverseOffer } from '../../operator/src/state/inverseOfferBook.ts';
import type { ReservedPart, Unavailability } from '../../operator/src/state/offerBook.ts';

interface Member {
  readonly registration: FrameworkRegistration;
  readonly callbacks: FrameworkCallbacks;
}

export interface HandOffer {
  readonly agent?: string;
  readonly role?: RolePath;
  readonly resources: Resources;
  readonly revocable?: Resources;
  readonly reserved?: Resources;
  readonly reservedBy?: readonly ReservedPart[];
  readonly unavailability?: Unavailability;
}

/**
 * The allocation cycle with a person for an allocator: offers are made when the test makes them, or, with `auto`,
 * one of that size whenever a framework has none. Accepted tasks become Pods through the given API.
 */
export class HandScheduling implements Scheduling {
  readonly log: string[] = [];
  /** What `reservations` knows. */
  readonly reservationObjects = new Map<string, ReservationObject>();
  /** Operations on reservations so far, in their order. */
  readonly reserving: {
    readonly framework: FrameworkId;
    readonly operation: Exclude<OfferOperation, { readonly kind: 'launch' }>;
  }[] = [];
  /** Set: operations on reservations are refused with it. */
  refuseReservations: string | undefined;
  auto: HandOffer | undefined;
  /** The next launch fails with this instead of making a Pod. */
  failNext: LaunchFailure | undefined;
  readonly #kube: KubeApi;
  readonly #members = new Map<FrameworkId, Member>();
  readonly #offers = new Map<OfferId, Offer>();
  #next = 0;

  constructor(kube: KubeApi) {
    this.#kube = kube;
  }

  registrationOf(framework: FrameworkId): FrameworkRegistration | undefined {
    return this.#members.get(framework)?.registration;
  }

  offer(framework: FrameworkId, wanted: HandOffer): Offer {
    const member = this.#members.get(framework);
    if (member === undefined) throw new Error(`${framework} is not registered`);
    this.#next += 1;
    const offer: Offer = {
      id: offerId(`hand-${this.#next}`),
      framework,
      role: wanted.role ?? (member.registration.roles[0] as RolePath),
      agent: agentId(wanted.agent ?? 'node-1'),
      resources: wanted.resources,
      revocable: wanted.revocable ?? NO_RESOURCES,
      reserved: wanted.reserved ?? NO_RESOURCES,
      ...(wanted.reservedBy === undefined ? {} : { reservedBy: wanted.reservedBy }),
      fromHold: NO_RESOURCES,
      ...(wanted.unavailability === undefined ? {} : { unavailability: wanted.unavailability }),
      issuedAtMs: 0,
    };
    this.#offers.set(offer.id, offer);
    member.callbacks.onOffers([offer]);
    return offer;
  }

  rescind(offer: OfferId): void {
    const member = this.#members.get(this.#offers.get(offer)?.framework as FrameworkId);
    this.#offers.delete(offer);
    member?.callbacks.onRescind(offer);
  }

  register(registration: FrameworkRegistration, callbacks: FrameworkCallbacks): void {
    this.log.push(`register ${registration.id}`);
    this.#members.set(registration.id, { registration, callbacks });
    this.#offerAgain(registration.id);
  }

  update(registration: FrameworkRegistration): void {
    this.log.push(`update ${registration.id}`);
    const member = this.#members.get(registration.id);
    if (member !== undefined)
      this.#members.set(registration.id, { registration, callbacks: member.callbacks });
  }

  /** Asks the framework to give back what it has on an agent, as a maintenance window would. */
  inverseOffer(framework: FrameworkId, unavailability: InverseOffer['unavailability']): OfferId {
    this.#next += 1;
    const id = offerId(`hand-I${this.#next}`);
    const offer = { id, framework, agent: agentId('node-1'), unavailability, issuedAtMs: 0 };
    this.#members.get(framework)?.callbacks.onInverseOffers?.([offer]);
    return id;
  }

  rescindInverseOffer(framework: FrameworkId, offer: OfferId): void {
    this.#members.get(framework)?.callbacks.onRescindInverseOffer?.(offer);
  }

  unregister(framework: FrameworkId): void {
    this.log.push(`unregister ${framework}`);
    for (const offer of this.outstanding(framework)) this.#offers.delete(offer.id);
    this.#members.delete(framework);
  }

  suppress(framework: FrameworkId, roles: readonly RolePath[]): void {
    this.log.push(`suppress ${framework} [${roles.join()}]`);
  }

  revive(framework: FrameworkId, roles: readonly RolePath[]): void {
    this.log.push(`revive ${framework} [${roles.join()}]`);
    this.#offerAgain(framework);
  }

  decline(framework: FrameworkId, offers: readonly OfferId[], refuseMs: number): void {
    this.log.push(`decline ${offers.join()} ${refuseMs}`);
    for (const id of offers)
      if (this.#offers.get(id)?.framework === framework) this.#offers.delete(id);
  }

  accept(
    framework: FrameworkId,
    offers: readonly OfferId[],
    launches: readonly LaunchRequest[],
    refuseMs: number,
  ): AcceptOutcome {
    this.log.push(`accept ${offers.join()} ${refuseMs}`);
    const own = offers.flatMap((id) => {
      const offer = this.#offers.get(id);
      return offer?.framework === framework ? [offer] : [];
    });
    for (const offer of own) this.#offers.delete(offer.id);
    const [first] = own;
    if (first === undefined || own.length !== offers.length)
      return { kind: 'invalidOffers', message: 'an offer is no longer valid' };
    let left = first.resources;
    const verdicts = launches.map((launch): LaunchVerdict => {
      if (!fits(launch.resources, left))
        return {
          kind: 'refused',
          task: launch.task,
          reason: 'NotEnoughOffered',
          message: 'too much',
        };
      left = subtract(left, launch.resources);
      this.#launch(framework, first, launch);
      return { kind: 'launching', task: launch.task, agent: first.agent };
    });
    return { kind: 'accepted', agent: first.agent, role: first.role, launches: verdicts };
  }

  perform(
    framework: FrameworkId,
    offers: readonly OfferId[],
    operations: readonly OfferOperation[],
    refuseMs: number,
  ): PerformOutcome {
    const launches = operations.flatMap((one) => (one.kind === 'launch' ? [one.launch] : []));
    const outcome = this.accept(framework, offers, launches, refuseMs);
    if (outcome.kind === 'invalidOffers') return outcome;
    const { launches: judged, ...accepted } = outcome;
    const waiting = [...judged];
    const verdicts = operations.flatMap((one): readonly OperationVerdict[] => {
      if (one.kind === 'launch') return waiting.splice(0, 1);
      const { operation } = one;
      this.reserving.push({ framework, operation: one });
      return this.refuseReservations === undefined
        ? [{ kind: 'reserving', operation }]
        : [{ kind: 'operationRefused', operation, message: this.refuseReservations }];
    });
    return { ...accepted, verdicts };
  }

  /** Ends an operation on reservations as its writer would. */
  settle(framework: FrameworkId, operation: string, result: OperationResult): void {
    this.#members.get(framework)?.callbacks.onOperation?.(operation, result);
  }

  answerInverseOffers(
    framework: FrameworkId,
    offers: readonly OfferId[],
    answer: 'accepted' | 'declined',
    refuseMs: number,
  ): void {
    this.log.push(`inverse ${framework} ${answer} ${offers.join()} ${refuseMs}`);
  }

  reservations(): ReadonlyMap<string, ReservationObject> {
    return this.reservationObjects;
  }

  offered(framework: FrameworkId, id: OfferId): Offer | undefined {
    return this.outstanding(framework).find((one) => one.id === id);
  }

  outstanding(framework: FrameworkId): readonly Offer[] {
    return [...this.#offers.values()].filter((offer) => offer.framework === framework);
  }

  #offerAgain(framework: FrameworkId): void {
    const { auto } = this;
    if (auto === undefined) return;
    queueMicrotask(() => {
      if (this.#members.has(framework) && this.outstanding(framework).length === 0)
        this.offer(framework, auto);
    });
  }

  async #join(framework: FrameworkId, { task, instead }: LaunchRequest, pod: Pod): Promise<void> {
    const failure = await instead?.(pod);
    const callbacks = this.#members.get(framework)?.callbacks;
    if (failure === undefined) callbacks?.onLaunched?.(task);
    else callbacks?.onLaunchFailed(task, failure);
  }

  #launch(framework: FrameworkId, { agent, reserved }: Offer, launch: LaunchRequest): void {
    const failure = this.failNext;
    this.failNext = undefined;
    const pod = placedPod(launch, agent, min(launch.resources, reserved));
    if (failure === undefined && launch.instead !== undefined) {
      void this.#join(framework, launch, pod);
      return;
    }
    if (failure === undefined) {
      void this.#kube
        .create(PODS, pod)
        .then(() => this.#members.get(framework)?.callbacks.onLaunched?.(launch.task));
      return;
    }
    queueMicrotask(() =>
      this.#members.get(framework)?.callbacks.onLaunchFailed(launch.task, failure),
    );
  }
}
