import { agentId, type FrameworkId, offerId, rolePath, taskId } from '../../model/ids.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { type CallOf, refuseMsOf, uuidFromBase64 } from '../../schema/mesos/call.ts';
import { tasksOf } from './decideOperations.ts';
import { principalNamed, privilegesAsked } from './pod/askedPrivileges.ts';
import { graceSecondsOf } from './pod/killPolicy.ts';
import { podTasks } from './pod/podMetadata.ts';
import type { Privilege, Privileges } from './pod/privileges.ts';
import type { Registration } from './registration.ts';
import type { Registry } from './registry.ts';
import type { FrameworkHubOptions } from './types.ts';

/** Source: Mesos `src/slave/constants.hpp`, `DEFAULT_EXECUTOR_SHUTDOWN_GRACE_PERIOD`. */
const SHUTDOWN_GRACE_SECONDS = 5;

interface TaskQuestion {
  readonly task_id: { readonly value: string };
  readonly agent_id?: { readonly value: string } | undefined;
}

/** Calls of subscribed frameworks about offers and tasks. */
export class TaskCalls {
  readonly #options: FrameworkHubOptions;
  readonly #registry: Registry;

  constructor(options: FrameworkHubOptions, registry: Registry) {
    this.#options = options;
    this.#registry = registry;
  }

  accept(id: FrameworkId, body: CallOf<'ACCEPT'>['body']): void {
    const registration = this.#registry.live(id);
    if (registration === undefined) return;
    registration.offers.accepted += this.#ownOffers(id, body.offer_ids);
    const asked = privilegesAsked(tasksOf(body.operations));
    if (asked.size === 0) {
      this.#launch(id, body, new Set());
      return;
    }
    // The offers stay in the framework's hands until its permissions are known.
    this.#heldOf(registration, asked)
      .then((held) => this.#launch(id, body, held))
      .catch((error: unknown) => {
        this.#options.log.warn('accept failed', { framework: id, error });
      });
  }

  #launch(id: FrameworkId, body: CallOf<'ACCEPT'>['body'], privileges: Privileges): void {
    const registration = this.#registry.live(id);
    if (registration === undefined) return;
    const { place, profile, podTemplate } = registration;
    const { principal, roles } = profile;
    const seesShared = profile.capabilities.has('SHARED_RESOURCES');
    const framework = { place, principal, roles, seesShared, podTemplate, privileges };
    this.#registry.launches.accept(framework, body);
    this.#registry.touch(id);
  }

  /** Of the privileges asked for those its principal holds; one that nobody could be asked about is not held. */
  async #heldOf(
    { place, profile }: Registration,
    asked: ReadonlySet<Privilege>,
  ): Promise<ReadonlySet<Privilege>> {
    const { authorizer } = this.#options;
    const principal = principalNamed(profile.principal);
    const held = new Set<Privilege>();
    for (const privilege of asked) {
      const verdict = await authorizer.mayUse(principal, privilege, place.namespace);
      if (verdict.kind === 'allowed') held.add(privilege);
    }
    return held;
  }

  decline(id: FrameworkId, body: CallOf<'DECLINE'>['body']): void {
    const registration = this.#registry.live(id);
    if (registration !== undefined)
      registration.offers.declined += this.#ownOffers(id, body.offer_ids);
    const offers = body.offer_ids.map((one) => offerId(one.value));
    this.#options.scheduling.decline(id, offers, refuseMsOf(body.filters));
    this.#registry.touch(id);
  }

  revive(id: FrameworkId, roles: readonly string[]): void {
    if (this.#areOwn(id, roles)) this.#options.scheduling.revive(id, roles.map(rolePath));
  }

  suppress(id: FrameworkId, roles: readonly string[]): void {
    if (this.#areOwn(id, roles)) this.#options.scheduling.suppress(id, roles.map(rolePath));
  }

  /** An unknown task is answered as if it had been asked about. Source: Mesos `Master::kill`. */
  kill(id: FrameworkId, body: CallOf<'KILL'>['body']): void {
    const { executors, launches, updates } = this.#registry;
    const task = taskId(body.task_id.value);
    const agent = this.#registry.agentOf(id, task) ?? launches.agentOf(id, task);
    if (agent === undefined) {
      this.#answer(id, body, new Map());
      return;
    }
    if (body.agent_id !== undefined && body.agent_id.value !== agent) return;
    const graceSeconds =
      body.kill_policy?.grace_period === undefined ? undefined : graceSecondsOf(body.kill_policy);
    if (launches.kill(id, task, graceSeconds)) return;
    const grace = body.kill_policy?.grace_period?.nanoseconds;
    if (!executors.kill(id, task, grace)) updates.kill(id, task, graceSeconds);
  }

  /** Ends every task of an executor. A task that names no executor has one of its own, called like the task. */
  shutdown(id: FrameworkId, body: CallOf<'SHUTDOWN'>['body']): void {
    const { updates } = this.#registry;
    const executor = body.executor_id.value;
    const agent = body.agent_id.value;
    if (this.#registry.executors.shutdown(id, executor, agent)) return;
    const own = taskId(executor);
    if (updates.agentOf(id, own) === agent) updates.kill(id, own, SHUTDOWN_GRACE_SECONDS);
    for (const pod of this.#options.world.pods.list()) {
      const annotations = pod.metadata.annotations ?? {};
      if (annotations[ANNOTATION.executorId] !== executor || pod.spec.nodeName !== agent) continue;
      if (annotations[ANNOTATION.frameworkId] !== id) continue;
      for (const { task } of podTasks(pod)) updates.kill(id, task, SHUTDOWN_GRACE_SECONDS);
    }
  }

  answerInverseOffers(
    id: FrameworkId,
    body: CallOf<'ACCEPT_INVERSE_OFFERS'>['body'],
    answer: 'accepted' | 'declined',
  ): void {
    const offers = body.inverse_offer_ids.map((one) => offerId(one.value));
    this.#options.scheduling.answerInverseOffers(id, offers, answer, refuseMsOf(body.filters));
  }

  acknowledge(id: FrameworkId, body: CallOf<'ACKNOWLEDGE'>['body']): void {
    const uuid = uuidFromBase64(body.uuid);
    if (uuid === undefined) return;
    const task = taskId(body.task_id.value);
    const agent = agentId(body.agent_id.value);
    const { executors, updates } = this.#registry;
    if (
      updates.acknowledge(id, task, agent, uuid) ||
      executors.updates.acknowledge(id, task, agent, uuid)
    )
      this.#registry.touch(id);
  }

  /** An empty list asks about every task. */
  reconcile(id: FrameworkId, questions: readonly TaskQuestion[]): void {
    const known = this.#knownTasks(id);
    if (questions.length > 0) {
      for (const question of questions) this.#answer(id, question, known);
      return;
    }
    for (const [task, { state, agent }] of known) this.#tellState(id, task, state, agent);
  }

  #knownTasks(id: FrameworkId): Map<string, { state: KnownState; agent: string }> {
    const known = new Map<string, { state: KnownState; agent: string }>();
    for (const { task, agent } of this.#registry.launches.tasks(id))
      known.set(task, { state: 'TASK_STAGING', agent });
    for (const { task, agent, state } of this.#registry.tasks(id))
      known.set(task, { state, agent });
    return known;
  }

  #answer(
    id: FrameworkId,
    question: TaskQuestion,
    known: ReadonlyMap<string, { state: KnownState; agent: string }>,
  ): void {
    const task = question.task_id.value;
    const found = known.get(task);
    if (found !== undefined) {
      this.#tellState(id, task, found.state, found.agent);
      return;
    }
    const { clock, config, world } = this.#options;
    // Pods whose creation a former master had under way may appear yet: no answer is better than a wrong one.
    if (clock.monotonicMs() - this.#registry.startedMs < config.reconcileQuietMs) return;
    const agent = question.agent_id?.value;
    const agentIsThere = agent !== undefined && world.nodes.get({ name: agent }) !== undefined;
    this.#registry.tell(id, {
      task_id: { value: task },
      state: agentIsThere ? 'TASK_GONE' : 'TASK_UNKNOWN',
      reason: 'REASON_RECONCILIATION',
      message: 'Reconciliation: Task is unknown',
      ...(agent === undefined ? {} : { agent_id: { value: agent } }),
    });
  }

  #tellState(id: FrameworkId, task: string, state: KnownState, agent: string): void {
    this.#registry.tell(id, {
      task_id: { value: task },
      state,
      reason: 'REASON_RECONCILIATION',
      message: 'Reconciliation: Latest task state',
      agent_id: { value: agent },
    });
  }

  /** How many of these offers the framework has in its hands; what else it names counts for nothing. */
  #ownOffers(id: FrameworkId, named: readonly { readonly value: string }[]): number {
    const { scheduling } = this.#options;
    const asked = new Set(named.map((one) => offerId(one.value)));
    let own = 0;
    for (const one of asked) if (scheduling.offered(id, one) !== undefined) own += 1;
    return own;
  }

  /** A call that names a role the framework is not subscribed to is dropped whole. Source: Mesos `Master::suppress`. */
  #areOwn(id: FrameworkId, roles: readonly string[]): boolean {
    const own = this.#registry.live(id)?.profile.roles ?? [];
    return roles.every((role) => own.includes(rolePath(role)));
  }
}

type KnownState = ReturnType<Registry['tasks']>[number]['state'];
