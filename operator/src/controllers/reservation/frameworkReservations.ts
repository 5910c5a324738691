import type { Resources } from '../../model/resources.ts';
import { equal, isEmpty } from '../../model/resources.ts';
import { type Clock, sleep } from '../../ports/clock.ts';
import { isKubeError, type KubeApi, type KubeErrorCode } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import { RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import { formatResources, parseResources } from '../../schema/quantity.ts';
import type { World } from '../world.ts';
import { isUnchanged, type OperationPlan, type ReservationChange } from './planOperation.ts';
import {
  DESTROYED,
  isDestroyed,
  isVolume,
  type VolumeSource,
  writtenSources,
} from './volumeObjects.ts';

export interface FrameworkReservationsOptions {
  readonly world: Pick<World, 'reservations'>;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export type OperationResult =
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly message: string };

/**
 * Writes what frameworks do to reservations. What is being made counts from the moment it was accepted: otherwise its
 * resources would be offered to somebody else before the object is bound.
 */
export interface FrameworkReservations {
  /** Reservations by name as they will be: those of the cache and those on their way. */
  current(): ReadonlyMap<string, ReservationObject>;
  /** Carries a plan out; `done` is called once, later. */
  apply(
    plan: Extract<OperationPlan, { kind: 'planned' }>,
    done: (result: OperationResult) => void,
  ): void;
}

/** A write whose outcome is unknown is asked after so often. */
const ATTEMPTS = 6;
const PAUSE_MS = 1_000;

export function createFrameworkReservations(
  options: FrameworkReservationsOptions,
): FrameworkReservations {
  return new Writer(options);
}

class Writer implements FrameworkReservations {
  readonly #options: FrameworkReservationsOptions;
  readonly #making = new Map<string, { readonly object: ReservationObject; written: boolean }>();
  /** What is left of reservations that are being undone; counts at once, or they would be offered as they were. */
  readonly #changing = new Map<string, Changing>();
  #last: Promise<void> = Promise.resolve();
  #known:
    | {
        readonly of: readonly ReservationObject[];
        readonly all: ReadonlyMap<string, ReservationObject>;
      }
    | undefined;

  constructor(options: FrameworkReservationsOptions) {
    this.#options = options;
  }

  current(): ReadonlyMap<string, ReservationObject> {
    const list = this.#options.world.reservations.list();
    const isQuiet = this.#making.size === 0 && this.#changing.size === 0;
    if (isQuiet && this.#known?.of === list) return this.#known.all;
    const all = this.#gather(list);
    this.#known = isQuiet ? { of: list, all } : undefined;
    return all;
  }

  #gather(list: readonly ReservationObject[]): ReadonlyMap<string, ReservationObject> {
    const standing = list.filter((one) => !isDestroyed(one));
    const all = new Map(standing.map((one) => [one.metadata.name, one]));
    for (const [name, { object, written }] of this.#making) {
      const seen = all.get(name);
      // Bound, judged otherwise, or deleted by somebody: the server's word counts now.
      if (seen?.status?.conditions !== undefined || (seen === undefined && written))
        this.#making.delete(name);
      else all.set(name, seen === undefined ? object : { ...seen, status: object.status });
    }
    for (const [name, changing] of this.#changing) {
      const one = all.get(name);
      if (one === undefined || isOver(one, changing)) this.#changing.delete(name);
      else if (isEmpty(changing.left)) all.delete(name);
      else all.set(name, withResources(one, changing));
    }
    return all;
  }

  apply(
    plan: Extract<OperationPlan, { kind: 'planned' }>,
    done: (result: OperationResult) => void,
  ): void {
    for (const object of plan.creates)
      this.#making.set(object.metadata.name, { object: asBound(object), written: false });
    for (const { object, left, sources } of plan.changes)
      this.#changing.set(object.metadata.name, { left, sources, seen: false });
    this.#last = this.#after(this.#last, plan, done);
  }

  /** One after the other: an operation may build on the one before. */
  async #after(
    former: Promise<void>,
    plan: Extract<OperationPlan, { kind: 'planned' }>,
    done: (result: OperationResult) => void,
  ): Promise<void> {
    await former;
    const result = await this.#carryOut(plan);
    if (!this.#options.signal.aborted) done(result);
  }

  async #carryOut(plan: Extract<OperationPlan, { kind: 'planned' }>): Promise<OperationResult> {
    try {
      for (const object of plan.creates) await this.#create(object);
      for (const change of plan.changes) await this.#change(change);
      return { kind: 'finished' };
    } catch (error) {
      for (const object of plan.creates) this.#making.delete(object.metadata.name);
      for (const { object } of plan.changes) this.#changing.delete(object.metadata.name);
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log.warn('reservation of a framework could not be written', { error });
      return { kind: 'failed', message };
    }
  }

  async #create(object: ReservationObject): Promise<void> {
    await this.#insist(['alreadyExists'], () =>
      this.#options.kube.create(RESERVATIONS, object, { signal: this.#options.signal }),
    );
    const making = this.#making.get(object.metadata.name);
    if (making !== undefined) making.written = true;
  }

  async #change({ object, from, left, sources }: ReservationChange): Promise<void> {
    const { name } = object.metadata;
    if (isEmpty(left)) {
      await (isVolume(object) ? this.#destroy(name, from) : this.#delete(name, from));
      return;
    }
    await this.#insist([], async () => {
      const now = await this.#read(name);
      if (isUnchanged(now, left)) return;
      this.#mustBe(now, from);
      await this.#options.kube.update<ReservationObject>(
        RESERVATIONS,
        { ...now, spec: specWith(now.spec, { left, sources }) },
        { signal: this.#options.signal },
      );
    });
  }

  /** From here on its disk is free; whoever looks after its data takes it from there. */
  async #destroy(name: string, from: Resources): Promise<void> {
    const { kube, signal } = this.#options;
    await this.#insist(['notFound'], async () => {
      const now = await this.#read(name);
      if (isDestroyed(now)) return;
      this.#mustBe(now, from);
      const annotations = { ...now.metadata.annotations, [DESTROYED]: 'true' };
      const metadata = { ...now.metadata, annotations };
      await kube.update<ReservationObject>(RESERVATIONS, { ...now, metadata }, { signal });
    });
  }

  async #delete(name: string, from: Resources): Promise<void> {
    const { kube, signal } = this.#options;
    await this.#insist(['notFound'], async () => {
      const now = await this.#read(name);
      this.#mustBe(now, from);
      const { uid = '', resourceVersion = '' } = now.metadata;
      await kube.delete(RESERVATIONS, { name }, { uid, resourceVersion, signal });
    });
  }

  async #read(name: string): Promise<ReservationObject> {
    const { kube, signal } = this.#options;
    return await kube.get<ReservationObject>(RESERVATIONS, { name }, signal);
  }

  #mustBe(now: ReservationObject, from: Resources): void {
    if (!isUnchanged(now, from))
      throw new Error(
        `reservation ${now.metadata.name} was changed meanwhile; take a new offer and try again`,
      );
  }

  /** Tries until it is done, done already, or refused for good. */
  async #insist(
    doneAlready: readonly KubeErrorCode[],
    attempt: () => Promise<unknown>,
  ): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await attempt();
        return;
      } catch (error) {
        if (isKubeError(error, ...doneAlready) && doneAlready.length > 0) return;
        const passes = isKubeError(
          error,
          'conflict',
          'unavailable',
          'unknownOutcome',
          'tooManyRequests',
        );
        if (!passes || tries === ATTEMPTS) throw error;
        await sleep(this.#options.clock, PAUSE_MS, this.#options.signal);
      }
    }
  }
}

/** A reservation on its way to `left`; `seen` once the cache shows that it got there. */
interface Changing {
  readonly left: Resources;
  readonly sources: readonly VolumeSource[] | undefined;
  seen: boolean;
}

/** True when its status, by which it is counted, has followed, or somebody has changed it since. */
function isOver(now: ReservationObject, changing: Changing): boolean {
  const { left } = changing;
  if (isEmpty(left)) return false;
  if (!isUnchanged(now, left)) return changing.seen;
  changing.seen = true;
  return equal(parseResources(now.status?.resources ?? {}), left);
}

function specWith(
  spec: ReservationObject['spec'],
  { left, sources }: Pick<Changing, 'left' | 'sources'>,
): ReservationObject['spec'] {
  const resources = formatResources(left);
  if (spec.volume === undefined || sources === undefined) return { ...spec, resources };
  return { ...spec, resources, volume: { ...spec.volume, from: writtenSources(sources) } };
}

/** As it will look once that is all that is left of it. */
function withResources(
  object: ReservationObject,
  changing: Pick<Changing, 'left' | 'sources'>,
): ReservationObject {
  const resources = formatResources(changing.left);
  return {
    ...object,
    spec: specWith(object.spec, changing),
    ...(object.status === undefined ? {} : { status: { ...object.status, resources } }),
  };
}

/** As it will look once the controller has bound it. */
function asBound(object: ReservationObject): ReservationObject {
  const { agent, resources } = object.spec;
  return {
    ...object,
    status: {
      agents: agent === undefined ? [] : [agent],
      resources: Object.fromEntries(
        Object.entries(resources).map(([name, amount]) => [name, String(amount)]),
      ),
    },
  };
}
