import type { z } from 'zod';
import { stableJson } from '../../model/hash.ts';
import { type FrameworkId, frameworkId, rolePath } from '../../model/ids.ts';
import type { Clock } from '../../ports/clock.ts';
import { isKubeError, type KubeApi, type ObjectKey } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Rng } from '../../ports/rng.ts';
import type { CacheReader } from '../../runtime/cache.ts';
import { OperatorError } from '../../runtime/errors.ts';
import type { FrameworkStatus } from '../../schema/crd/framework.ts';
import { MESOS_CAPABILITIES, type MesosCapability } from '../../schema/mesos/framework.ts';
import { API_VERSION, FRAMEWORKS, type FrameworkObject } from '../../schema/mezzoKinds.ts';
import { type ConditionValue, isoTime, withCondition } from '../shared/conditions.ts';
import { KeyedWorker } from './keyedWorker.ts';
import { frameworkObjectName } from './names.ts';
import { NO_OFFER_RULES } from './offerRules.ts';
import type { FrameworkPlace, FrameworkProfile } from './types.ts';

export type StatusFields = Omit<z.infer<typeof FrameworkStatus>, 'conditions'>;

export interface FrameworkObjectsOptions {
  readonly kube: KubeApi;
  readonly frameworks: CacheReader<FrameworkObject>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

interface Wish {
  readonly place: FrameworkPlace;
  readonly profile: FrameworkProfile;
  readonly status: StatusFields;
  readonly onDurable: (() => void) | undefined;
}

export type CreateOutcome =
  | { readonly kind: 'created'; readonly object: FrameworkObject }
  /** Another framework's object has the name. */
  | { readonly kind: 'taken' };

const CONCURRENT_WRITES = 4;
const MAX_WRITES_PER_RUN = 6;
/** Longest failover time-out an object holds: a year. */
const MAX_FAILOVER_SECONDS = 31_536_000;
/** Marks objects the operator made itself; only those does it delete again. */
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'mezzo' } as const;

/** Framework objects: what makes a registration outlive the operator. */
export class FrameworkObjects {
  readonly #options: FrameworkObjectsOptions;
  readonly #wishes = new Map<string, Wish>();
  readonly #worker: KeyedWorker;

  constructor(options: FrameworkObjectsOptions) {
    this.#options = options;
    this.#worker = new KeyedWorker({
      ...options,
      name: 'frameworkObjects',
      concurrency: CONCURRENT_WRITES,
      work: (key) => this.#write(key),
    });
  }

  stop(): void {
    this.#worker.stop();
  }

  /** An object somebody made for this framework beforehand, or one whose framework has been completed since. */
  findPremade(profile: FrameworkProfile, namespace: string): FrameworkObject | undefined {
    return this.#options.frameworks
      .list()
      .filter((one) => one.metadata.namespace === namespace && isClaimable(one))
      .filter((one) => (one.spec.frameworkName ?? one.metadata.name) === profile.name)
      .find((one) => one.spec.principal === undefined || one.spec.principal === profile.principal);
  }

  async claim(
    object: FrameworkObject,
    id: FrameworkId,
    profile: FrameworkProfile,
  ): Promise<FrameworkObject> {
    const claimed = await this.#options.kube.update<FrameworkObject>(FRAMEWORKS, {
      ...object,
      spec: { ...withoutTold(object.spec), ...specOf(id, profile) },
    });
    // The traces of a former, completed owner must not speak for the new one.
    return await this.#options.kube.update<FrameworkObject>(
      FRAMEWORKS,
      { ...claimed, status: { id, connected: false, completed: false } },
      { subresource: 'status' },
    );
  }

  async create(
    id: FrameworkId,
    profile: FrameworkProfile,
    namespace: string,
  ): Promise<CreateOutcome> {
    const name = frameworkObjectName(id);
    const wanted: FrameworkObject = {
      apiVersion: API_VERSION,
      kind: FRAMEWORKS.kind,
      metadata: { name, namespace, labels: MANAGED_BY },
      spec: specOf(id, profile),
    };
    try {
      return { kind: 'created', object: await this.#options.kube.create(FRAMEWORKS, wanted) };
    } catch (error) {
      if (!isKubeError(error, 'alreadyExists')) throw error;
      // A lost reply, or a master before us, may have made it.
      const found = await this.#options.kube.get<FrameworkObject>(FRAMEWORKS, { name, namespace });
      if (found.spec.frameworkId !== id || found.spec.principal !== profile.principal)
        return { kind: 'taken' };
      return { kind: 'created', object: found };
    }
  }

  /** Writes profile and status when they differ from what is stored; repeated until it succeeds. */
  save(
    place: FrameworkPlace,
    profile: FrameworkProfile,
    status: StatusFields,
    onDurable?: () => void,
  ): void {
    const key = `${place.namespace}/${place.objectName}`;
    const durable = onDurable ?? this.#wishes.get(key)?.onDurable;
    this.#wishes.set(key, { place, profile, status, onDurable: durable });
    this.#worker.poke(key);
  }

  async remove(place: FrameworkPlace): Promise<void> {
    const where = { name: place.objectName, namespace: place.namespace };
    await this.#options.kube.delete(FRAMEWORKS, where, { uid: place.objectUid });
  }

  async #write(key: string): Promise<void> {
    const { kube, frameworks, clock } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const where: ObjectKey = { namespace, name };
    let object = frameworks.get(where) ?? (await this.#read(where));
    for (let writes = 0; writes < MAX_WRITES_PER_RUN; writes += 1) {
      const wish = this.#wishes.get(key);
      if (wish === undefined) return;
      if (object === undefined || object.metadata.uid !== wish.place.objectUid) {
        object = await this.#read(where);
        if (object?.metadata.uid !== wish.place.objectUid) object = undefined;
      }
      const next =
        object === undefined ? undefined : nextWrite(object, wish, isoTime(clock.nowMs()));
      if (object === undefined || next === undefined) {
        if (this.#wishes.get(key) !== wish) continue;
        this.#wishes.delete(key);
        wish.onDurable?.();
        return;
      }
      try {
        object = await kube.update<FrameworkObject>(FRAMEWORKS, next.object, next.options);
      } catch (error) {
        if (!isKubeError(error, 'conflict', 'notFound')) throw error;
        object = await this.#read(where);
      }
    }
    // Somebody undoes what is written, or fights over it: not at once again.
    throw new OperatorError(
      'conflict',
      `Framework object ${key} does not keep what is written to it`,
    );
  }

  async #read(where: ObjectKey): Promise<FrameworkObject | undefined> {
    try {
      return await this.#options.kube.get<FrameworkObject>(FRAMEWORKS, where);
    } catch (error) {
      if (isKubeError(error, 'notFound')) return undefined;
      throw error;
    }
  }
}

function nextWrite(
  object: FrameworkObject,
  wish: Wish,
  nowIso: string,
):
  | { readonly object: FrameworkObject; readonly options?: { readonly subresource: 'status' } }
  | undefined {
  const spec = { ...withoutTold(object.spec), ...specOf(wish.place.id, wish.profile) };
  if (stableJson(spec) !== stableJson(object.spec)) return { object: { ...object, spec } };
  const generation = object.metadata.generation ?? 0;
  const conditions = withCondition(
    object.status?.conditions,
    readyOf(wish.status),
    generation,
    nowIso,
  );
  const status = { ...wish.status, observedGeneration: generation, conditions };
  if (stableJson(status) === stableJson(object.status ?? {})) return undefined;
  return { object: { ...object, status }, options: { subresource: 'status' } };
}

function readyOf(status: StatusFields): ConditionValue {
  if (status.completed === true)
    return {
      type: 'Ready',
      status: 'False',
      reason: 'Completed',
      message: 'The framework was torn down, or did not come back within its failover time-out.',
    };
  return status.connected === true
    ? { type: 'Ready', status: 'True', reason: 'Connected', message: 'Its scheduler is connected.' }
    : {
        type: 'Ready',
        status: 'False',
        reason: 'Disconnected',
        message: 'Its scheduler is not connected; its tasks run on until the failover time-out.',
      };
}

function isClaimable(object: FrameworkObject): boolean {
  if (object.metadata.deletionTimestamp !== undefined) return false;
  if (object.spec.frameworkId === undefined) return true;
  const managed = object.metadata.labels?.['app.kubernetes.io/managed-by'] === 'mezzo';
  return object.status?.completed === true && !managed;
}

function specOf(id: FrameworkId, profile: FrameworkProfile): FrameworkObject['spec'] {
  return {
    principal: profile.principal,
    roles: [...profile.roles],
    capabilities: [...profile.capabilities].toSorted(),
    failoverTimeoutSeconds: Math.min(
      Math.ceil(profile.failoverTimeoutMs / 1000),
      MAX_FAILOVER_SECONDS,
    ),
    frameworkName: profile.name,
    frameworkId: id,
    user: profile.user,
    ...toldOf(profile),
  };
}

const toldOf = ({
  hostname,
  webuiUrl,
}: Pick<FrameworkProfile, 'hostname' | 'webuiUrl'>): {
  readonly hostname?: string;
  readonly webuiUrl?: string;
} => ({
  ...(hostname === undefined ? {} : { hostname }),
  ...(webuiUrl === undefined ? {} : { webuiUrl }),
});

/** What a framework need not say: it may have said it before and not now. */
function withoutTold({
  hostname: _hostname,
  webuiUrl: _webuiUrl,
  ...spec
}: FrameworkObject['spec']): FrameworkObject['spec'] {
  return spec;
}

export function placeOf(object: FrameworkObject): FrameworkPlace | undefined {
  if (object.spec.frameworkId === undefined) return undefined;
  return {
    id: frameworkId(object.spec.frameworkId),
    namespace: object.metadata.namespace ?? '',
    objectName: object.metadata.name,
    objectUid: object.metadata.uid ?? '',
  };
}

export function storedProfile(object: FrameworkObject): FrameworkProfile {
  const { spec } = object;
  const known = new Set<string>(MESOS_CAPABILITIES);
  return {
    name: spec.frameworkName ?? object.metadata.name,
    user: spec.user ?? '',
    principal: spec.principal ?? '',
    roles: (spec.roles ?? ['*']).map(rolePath),
    capabilities: new Set(
      (spec.capabilities ?? []).filter((one): one is MesosCapability => known.has(one)),
    ),
    failoverTimeoutMs: (spec.failoverTimeoutSeconds ?? 0) * 1000,
    ...toldOf(spec),
    offerRules: NO_OFFER_RULES,
  };
}
