import { type FrameworkId, frameworkId, type RolePath, rolePath } from '../../model/ids.ts';
import { isKubeError } from '../../ports/kubeApi.ts';
import type { CallOf } from '../../schema/mesos/call.ts';
import { ipToMesosInt, type WireMasterInfo } from '../../schema/mesos/event.ts';
import { rolesOf } from '../../schema/mesos/framework.ts';
import type { FrameworkObject } from '../../schema/mezzoKinds.ts';
import type { FrameworkCallbacks, FrameworkRegistration } from '../scheduling/types.ts';
import { decideSubscription, decideUpdate, type RoleRule } from './decideSubscription.ts';
import { placeOf } from './frameworkObjects.ts';
import { openSession, type Registration } from './registration.ts';
import type { Registry } from './registry.ts';
import type {
  EventSink,
  FrameworkHubOptions,
  FrameworkPlace,
  FrameworkProfile,
  Principal,
} from './types.ts';
import { wireInverseOffer, wireOffer } from './wireOffer.ts';

export type SubscribeOutcome =
  | {
      readonly kind: 'accepted';
      readonly streamId: string;
      /** Opens the session on a stream whose headers have been sent; returns what to call when the stream closes. */
      readonly attach: (sink: EventSink) => () => void;
    }
  /** To be told as one ERROR event on a stream that then ends. */
  | { readonly kind: 'refused'; readonly streamId: string; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };

/** Answer to an UPDATE_FRAMEWORK; the only call besides SUBSCRIBE that waits for one. */
export type UpdateOutcome =
  | { readonly kind: 'updated' }
  | { readonly kind: 'badRequest'; readonly message: string }
  | { readonly kind: 'forbidden'; readonly message: string }
  | { readonly kind: 'conflict'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };

const OVERTAKEN: UpdateOutcome = {
  kind: 'conflict',
  message: 'The framework was removed or subscribed anew meanwhile; nothing was changed',
};

/** Version of Mesos whose wire contract is served. */
export const MESOS_VERSION = '1.11.0';

/** SUBSCRIBE calls: first ones, returns after a lost connection, and failovers to another scheduler process. */
export class Subscriptions {
  readonly #options: FrameworkHubOptions;
  readonly #registry: Registry;
  #nextNumber = 0;

  constructor(options: FrameworkHubOptions, registry: Registry) {
    this.#options = options;
    this.#registry = registry;
  }

  async subscribe(call: CallOf<'SUBSCRIBE'>, principal: Principal): Promise<SubscribeOutcome> {
    const streamId = this.#options.ids.uuid();
    const { framework_info: info, suppressed_roles: suppressedRoles } = call.body;
    const id = call.frameworkId === undefined ? undefined : frameworkId(call.frameworkId);
    const known = id === undefined ? undefined : this.#registry.find(id);
    const namespace = known?.place.namespace ?? this.#namespaceOf(principal);
    const verdict = decideSubscription({
      info,
      suppressedRoles,
      offerConstraints: call.body.offer_constraints,
      principal: principal.name,
      namespace,
      namespaceForbidden: this.#isForbidden(namespace),
      roles: this.#roleRules(),
      known: known && {
        principal: known.profile.principal,
        completed: this.#registry.live(known.place.id) === undefined,
      },
    });
    if (verdict.kind === 'refused') return { ...verdict, streamId };
    const denied = await this.#denial(principal, rolesOf(info), namespace);
    if (denied?.kind === 'refused') return { ...denied, streamId };
    if (denied !== undefined) return denied;
    const suppressed = suppressedRoles.map(rolePath);
    try {
      const place = await this.#placeFor(id, verdict.profile, namespace);
      if (place === undefined) {
        const message = `A Framework object of that name belongs to another framework in namespace '${namespace}'`;
        return { kind: 'refused', streamId, message };
      }
      return this.#accepted(streamId, place.id, verdict.profile, suppressed);
    } catch (error) {
      return this.#failure(error, streamId);
    }
  }

  /**
   * UPDATE_FRAMEWORK: becomes what it says, at once and as a whole, or stays what it is.
   * Assumes the caller has been checked. Source: Mesos `Master::updateFramework`.
   */
  async update(call: CallOf<'UPDATE_FRAMEWORK'>, principal: Principal): Promise<UpdateOutcome> {
    const id = frameworkId(call.frameworkId);
    const registration = this.#registry.live(id);
    if (registration?.presence.kind !== 'connected') return OVERTAKEN;
    const { session } = registration.presence;
    const { namespace } = registration.place;
    const { framework_info: info, suppressed_roles: suppressedRoles } = call.body;
    const verdict = decideUpdate(
      {
        info,
        suppressedRoles,
        offerConstraints: call.body.offer_constraints,
        principal: principal.name,
        namespace,
        namespaceForbidden: this.#isForbidden(namespace),
        roles: this.#roleRules(),
      },
      registration.profile,
    );
    if (verdict.kind === 'refused') return { kind: 'badRequest', message: verdict.message };
    const denied = await this.#denial(principal, rolesOf(info), namespace);
    if (denied?.kind === 'refused') return { kind: 'forbidden', message: denied.message };
    if (denied !== undefined) return denied;
    if (registration.presence.kind !== 'connected' || registration.presence.session !== session)
      return OVERTAKEN;
    registration.profile = verdict.profile;
    this.#options.scheduling.update(
      membershipOf(id, verdict.profile, suppressedRoles.map(rolePath)),
    );
    this.#registry.saveNow(id);
    return { kind: 'updated' };
  }

  #accepted(
    streamId: string,
    id: FrameworkId,
    profile: FrameworkProfile,
    suppressed: readonly RolePath[],
  ): SubscribeOutcome {
    const attach = (sink: EventSink): (() => void) => {
      const registration = this.#registry.live(id);
      if (registration === undefined) {
        sink.send({ type: 'ERROR', error: { message: 'Framework has been removed' } });
        sink.end();
        return () => {};
      }
      return this.#attach(registration, streamId, profile, suppressed, sink);
    };
    return { kind: 'accepted', streamId, attach };
  }

  #attach(
    registration: Registration,
    streamId: string,
    profile: FrameworkProfile,
    suppressed: readonly RolePath[],
    sink: EventSink,
  ): () => void {
    const { clock, config, scheduling, log } = this.#options;
    const { id } = registration.place;
    this.#closeFormer(registration);
    registration.profile = profile;
    registration.subscribedAtMs = clock.nowMs();
    const session = openSession(streamId, sink, clock, config.heartbeatMs);
    registration.presence = { kind: 'connected', session };
    log.info('framework subscribed', { framework: id, name: profile.name, roles: profile.roles });
    sink.send({
      type: 'SUBSCRIBED',
      subscribed: {
        framework_id: { value: id },
        heartbeat_interval_seconds: config.heartbeatMs / 1000,
        master_info: this.#masterInfo(),
      },
    });
    sink.send({ type: 'HEARTBEAT' });
    this.#registry.updates.resume(id);
    this.#registry.executors.updates.resume(id);
    this.#registry.operations.resume(id);
    scheduling.register(membershipOf(id, profile, suppressed), this.#callbacks(registration));
    this.#registry.saveNow(id);
    return () => {
      const { presence } = registration;
      if (presence.kind === 'connected' && presence.session === session)
        this.#registry.disconnect(id);
    };
  }

  /** A newer scheduler of the same framework takes over; the older one is told and its stream ends. */
  #closeFormer(registration: Registration): void {
    const { presence, place } = registration;
    if (presence.kind === 'disconnected') presence.cancelTimer();
    if (presence.kind !== 'connected') return;
    presence.session.cancelHeartbeat();
    presence.session.sink.send({ type: 'ERROR', error: { message: 'Framework failed over' } });
    presence.session.sink.end();
    this.#options.scheduling.unregister(place.id);
  }

  #callbacks(registration: Registration): FrameworkCallbacks {
    const { id } = registration.place;
    const { world, scheduling, config } = this.#options;
    return {
      onOffers: (offers) => {
        registration.offers.sent += offers.length;
        const wire = offers.map((offer) =>
          this.#registry.ports.onto(
            wireOffer(offer, id, registration.profile.capabilities, {
              node: world.nodes.get({ name: offer.agent }),
              reservations: scheduling.reservations(),
              agentPort: config.agentPort,
              executors: this.#registry.executors.updates.executorsOn(id, offer.agent),
            }),
            id,
            offer,
          ),
        );
        this.#registry.send(id, { type: 'OFFERS', offers: { offers: wire } });
        this.#registry.touch(id);
      },
      onRescind: (offer) => {
        registration.offers.rescinded += 1;
        this.#registry.send(id, { type: 'RESCIND', rescind: { offer_id: { value: offer } } });
        this.#registry.touch(id);
      },
      onInverseOffers: (offers) => {
        const wire = offers.map((offer) =>
          wireInverseOffer(offer, id, {
            node: world.nodes.get({ name: offer.agent }),
            agentPort: config.agentPort,
          }),
        );
        this.#registry.send(id, {
          type: 'INVERSE_OFFERS',
          inverse_offers: { inverse_offers: wire },
        });
      },
      onRescindInverseOffer: (offer) => {
        this.#registry.send(id, {
          type: 'RESCIND_INVERSE_OFFER',
          rescind_inverse_offer: { inverse_offer_id: { value: offer } },
        });
      },
      onOperation: (operation, result) =>
        this.#registry.launches.onOperation(id, operation, result),
      onLaunchFailed: (task, failure) => this.#registry.launches.onLaunchFailed(id, task, failure),
    };
  }

  /** The framework's object: that of its id, one made for it beforehand, or a new one. */
  async #placeFor(
    id: FrameworkId | undefined,
    profile: FrameworkProfile,
    namespace: string,
  ): Promise<FrameworkPlace | undefined> {
    const known = id === undefined ? undefined : this.#registry.live(id);
    if (known !== undefined) return known.place;
    const premade = this.#registry.objects.findPremade(profile, namespace);
    if (premade !== undefined) {
      const claimed = await this.#registry.objects.claim(premade, id ?? this.#newId(), profile);
      return this.#remember(claimed);
    }
    // An assigned id may be in use by a framework of an earlier master of the same epoch.
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const created = await this.#registry.objects.create(id ?? this.#newId(), profile, namespace);
      if (created.kind === 'created') return this.#remember(created.object);
      if (id !== undefined) return undefined;
    }
    return undefined;
  }

  /** The watch may have told of the object already; then this changes nothing. */
  #remember(object: FrameworkObject): FrameworkPlace | undefined {
    const place = placeOf(object);
    if (place === undefined) return undefined;
    this.#registry.recover(object);
    return this.#registry.live(place.id)?.place;
  }

  #newId(): FrameworkId {
    for (;;) {
      const number = String(this.#nextNumber).padStart(4, '0');
      this.#nextNumber += 1;
      const id = frameworkId(`mezzo-${this.#options.config.epoch}-${number}`);
      if (this.#registry.find(id) === undefined) return id;
    }
  }

  async #denial(
    principal: Principal,
    roles: readonly RolePath[],
    namespace: string,
  ): Promise<
    | { readonly kind: 'refused'; readonly message: string }
    | { readonly kind: 'unavailable'; readonly message: string }
    | undefined
  > {
    const { authorizer } = this.#options;
    const verdicts = await Promise.all([
      ...roles.map((role) => authorizer.mayOffer(principal, role)),
      authorizer.mayCreatePods(principal, namespace),
    ]);
    for (const verdict of verdicts) {
      if (verdict.kind === 'unavailable') return verdict;
      if (verdict.kind === 'denied') {
        const message = `Not authorized: principal '${principal.name}' lacks the permission to ${verdict.missing}`;
        return { kind: 'refused', message };
      }
    }
    return undefined;
  }

  #failure(error: unknown, streamId: string): SubscribeOutcome {
    const message = error instanceof Error ? error.message : String(error);
    this.#options.log.warn('framework could not be recorded', { error });
    return isKubeError(error, 'invalid', 'badRequest', 'forbidden', 'notFound')
      ? { kind: 'refused', streamId, message: `Framework could not be recorded: ${message}` }
      : { kind: 'unavailable', message: 'The framework could not be recorded; try again' };
  }

  /** Service accounts run their tasks at home; everybody else in the default namespace. */
  #namespaceOf(principal: Principal): string {
    const [system, kind, namespace] = principal.name.split(':');
    const own = system === 'system' && kind === 'serviceaccount' ? namespace : undefined;
    return own ?? this.#options.config.defaultNamespace;
  }

  #isForbidden(namespace: string): boolean {
    return (
      namespace.startsWith('kube-') || this.#options.config.forbiddenNamespaces.includes(namespace)
    );
  }

  #roleRules(): ReadonlyMap<RolePath, RoleRule> {
    return new Map(
      this.#options.world.roles
        .list()
        .map((role) => [rolePath(role.spec.path), { namespaces: role.spec.namespaces ?? [] }]),
    );
  }

  #masterInfo(): WireMasterInfo {
    const { advertised, epoch } = this.#options.config;
    return {
      id: `mezzo-${epoch}`,
      ip: ipToMesosInt(advertised.ip),
      port: advertised.port,
      hostname: advertised.hostname,
      pid: `master@${advertised.ip}:${advertised.port}`,
      version: MESOS_VERSION,
      address: advertised,
    };
  }
}

/** What the allocation cycle is told of a framework. */
function membershipOf(
  id: FrameworkId,
  { roles, capabilities, offerRules }: FrameworkProfile,
  suppressedRoles: readonly RolePath[],
): FrameworkRegistration {
  return {
    id,
    roles,
    suppressedRoles,
    capabilities: {
      revocable: capabilities.has('REVOCABLE_RESOURCES'),
      gpu: capabilities.has('GPU_RESOURCES'),
      ...(capabilities.has('SHARED_RESOURCES') ? { shared: true } : {}),
    },
    ...offerRules,
  };
}
