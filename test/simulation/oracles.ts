import { ANNOTATION, LABEL } from '../../operator/src/model/labels.ts';
import type { KubeObject } from '../../operator/src/ports/kubeApi.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../operator/src/schema/kubeObjects.ts';
import {
  ADHOC_JOBS,
  type AdhocJobObject,
  type QuotaObject,
} from '../../operator/src/schema/mezzoKinds.ts';
import type { Commit, FakeApiServer } from '../support/fakeApiServer.ts';
import type { FakeClock } from '../support/fakeClock.ts';
import { KillCauses } from './killCauses.ts';
import {
  type Amounts,
  amountsOf,
  exceeds,
  isLost,
  isMezzo,
  isTerminal,
  NOTHING,
  plus,
  podKey,
  requestsOf,
  roleOf,
  show,
  slotOf,
} from './podFacts.ts';

export const ORACLES = {
  instance: 'never two live Pods for one instance',
  capacity: 'never above the capacity of a node',
  quota: 'never above the limit of a role',
  foreign: 'Pods not made by Mezzo are never touched',
  finished: 'a finished instance never runs again',
  unfinished: 'nothing counts as finished that was stopped half-way',
  lifecycle: 'no task is seen to take a way its lifecycle does not know',
  cron: 'at most one run per cron target',
  needless: 'no healthy, wanted Pod is killed',
  lease: 'nothing is written without a valid lease',
  convergence: 'everything converges when the faults stop',
  finalizers: 'finalizers finish',
  crash: 'the operator never crashes',
  determinism: 'a seed has one history',
} as const;
export type Oracle = keyof typeof ORACLES;

export interface Violation {
  readonly oracle: Oracle;
  readonly atMs: number;
  readonly message: string;
}

/** Longest time an operator may rightly not know of a change: a silent watch is cut after 5 minutes. */
const STALE_VIEW_MS = 390_000;

/**
 * A Pod that exits 0 and is deleted by a user so soon after looks the same, once the kubelet has set its grace to
 * zero, as one that was deleted and exited 0 for that reason: its grace and the kubelet's last step.
 */
const AMBIGUOUS_MS = 10_000;

/** Who made a Pod and when. */
interface Origin {
  readonly by: string;
  readonly atMs: number;
}

/** Safety rules, judged on the server's truth at every commit. What only shows at the end is in `convergence.ts`. */
export class Oracles {
  readonly violations: Violation[] = [];
  readonly #api: FakeApiServer;
  readonly #clock: FakeClock;
  readonly #disruptedMs: ReadonlyMap<string, number>;
  readonly #liveBySlot = new Map<string, Set<string>>();
  readonly #origins = new Map<string, Origin>();
  readonly #startedMs = new Map<string, number>();
  readonly #finishedSlots = new Set<string>();
  /** Slots of which some run came to its own good end, whatever happened to its Pod later. */
  readonly #everFinished = new Set<string>();
  readonly #doubledSlots = new Set<string>();
  readonly #cronRuns = new Map<string, string>();
  readonly #limits = new Map<
    string,
    { readonly fromMs: number; readonly limit: Partial<Amounts> | undefined }[]
  >();
  readonly #killCauses = new KillCauses();

  constructor(api: FakeApiServer, clock: FakeClock, disruptedMs: ReadonlyMap<string, number>) {
    this.#api = api;
    this.#clock = clock;
    this.#disruptedMs = disruptedMs;
    api.onCommit((commit) => this.#judge(commit));
  }

  fail(oracle: Oracle, message: string): void {
    this.violations.push({ oracle, atMs: this.#clock.monotonicMs(), message });
  }

  processStarted(name: string): void {
    this.#startedMs.set(name, this.#clock.monotonicMs());
  }

  #judge(commit: Commit): void {
    switch (commit.ref.plural) {
      case 'pods':
        this.#judgePod(commit);
        break;
      case 'quotas':
        this.#noteQuota(commit);
        break;
      case 'servicejobs':
      case 'adhocjobs':
        this.#killCauses.note(commit, this.#clock.monotonicMs());
        if (commit.ref.plural !== ADHOC_JOBS.plural) break;
        this.#judgeRun(commit);
        this.#judgeResult(commit);
        break;
      default:
        break;
    }
  }

  #isOperator(by: string): boolean {
    return this.#startedMs.has(by);
  }

  #judgePod({ change, by }: Commit): void {
    const pod = change.object as Pod;
    if (!isMezzo(pod)) {
      if (this.#isOperator(by)) this.fail('foreign', `${by} ${change.type} ${podKey(pod)}`);
      return;
    }
    if (change.type === 'added') {
      this.#origins.set(pod.metadata.uid ?? '', { by, atMs: this.#clock.monotonicMs() });
    }
    this.#judgeSlot(change.type, pod);
    if (this.#isOperator(by)) {
      if (change.type === 'added') this.#judgePlacement(pod, by);
      else this.#judgeKill(pod, change.previous as Pod | undefined, by);
    }
  }

  #judgeSlot(type: 'added' | 'modified' | 'deleted', pod: Pod): void {
    const slot = slotOf(pod);
    if (slot === undefined) return;
    const { uid = '', labels, deletionTimestamp } = pod.metadata;
    const live = this.#liveBySlot.get(slot) ?? new Set<string>();
    this.#liveBySlot.set(slot, live);
    const isLive = type !== 'deleted' && !isTerminal(pod) && !isLost(pod);
    if (type === 'added' && this.#finishedSlots.has(slot)) {
      this.fail('finished', `${podKey(pod)} runs instance ${slot} again`);
    }
    if (isLive) live.add(uid);
    else live.delete(uid);
    if (live.size > 1 && !this.#doubledSlots.has(slot)) {
      this.#doubledSlots.add(slot);
      this.fail(
        'instance',
        `${live.size} live Pods of ${slot} (${labels?.[LABEL.job]}), the last is ${podKey(pod)}`,
      );
    }
    const isBounded = labels?.[LABEL.jobKind] === 'AdhocJob';
    if (!isBounded || pod.status?.phase !== 'Succeeded') return;
    const finishedAt = pod.status.containerStatuses?.[0]?.state?.terminated?.finishedAt ?? '';
    const isUnexplained = pod.metadata.annotations?.[ANNOTATION.killedAt] === undefined;
    // After the kubelet's last step nobody can tell any more in which order a Pod ended and was deleted.
    if (isUnexplained && !pod.metadata.deletionGracePeriodSeconds) this.#everFinished.add(slot);
    if (deletionTimestamp === undefined) {
      // Whatever its Pod says would be done to it: it was not.
      this.#everFinished.add(slot);
      this.#finishedSlots.add(slot);
    } else if (Date.parse(deletionTimestamp) - Date.parse(finishedAt) < AMBIGUOUS_MS) {
      this.#finishedSlots.delete(slot);
    }
  }

  /**
   * A leader answers for what it could know: its own Pods, those there before it started, and foreign ones old
   * enough for any view. Pods that other processes made since (a request in flight, a paused leader) are theirs.
   */
  #judgePlacement(placed: Pod, by: string): void {
    const { nodeName = '' } = placed.spec;
    let onNode = NOTHING;
    const byRole = new Map<string, Amounts>();
    for (const pod of this.#api.all(PODS) as Iterable<Pod>) {
      if (isTerminal(pod) || !this.#couldKnow(pod, by)) continue;
      if (pod.spec.nodeName === nodeName) onNode = plus(onNode, requestsOf(pod));
      if (!isMezzo(pod)) continue;
      for (const role of withAncestors(roleOf(pod))) {
        byRole.set(role, plus(byRole.get(role) ?? NOTHING, requestsOf(pod)));
      }
    }
    const node = this.#api.peek(NODES, { name: nodeName }) as Partial<Node> | undefined;
    const allocatable = amountsOf(node?.status?.allocatable);
    if (node !== undefined && exceeds(onNode, allocatable)) {
      this.fail(
        'capacity',
        `${by} put ${podKey(placed)} on ${nodeName}: ${show(onNode)} of ${show(allocatable)}`,
      );
    }
    for (const role of withAncestors(roleOf(placed))) {
      const limit = this.#loosestLimit(role);
      const used = byRole.get(role) ?? NOTHING;
      if (limit !== undefined && exceeds(used, limit)) {
        this.fail(
          'quota',
          `${by} made ${podKey(placed)}: role ${role} has ${show(used)} of ${show(limit)}`,
        );
      }
    }
  }

  #couldKnow(pod: Pod, by: string): boolean {
    const origin = this.#origins.get(pod.metadata.uid ?? '');
    const nowMs = this.#clock.monotonicMs();
    if (origin === undefined) {
      return this.#clock.nowMs() - Date.parse(pod.metadata.creationTimestamp ?? '') > STALE_VIEW_MS;
    }
    if (origin.by === by) return true;
    return origin.atMs < (this.#startedMs.get(by) ?? nowMs);
  }

  #noteQuota({ change }: Commit): void {
    const { spec } = change.object as QuotaObject;
    const limit = change.type === 'deleted' ? undefined : amountsOf(spec.limits);
    const fromMs = this.#clock.monotonicMs();
    const known = this.#limits.get(spec.role);
    if (known === undefined) this.#limits.set(spec.role, [{ fromMs, limit }]);
    else known.push({ fromMs, limit });
  }

  /** The loosest limit that an operator may still believe in; undefined: none. */
  #loosestLimit(role: string): Amounts | undefined {
    const steps = this.#limits.get(role);
    if (steps === undefined) return undefined;
    const sinceMs = this.#clock.monotonicMs() - STALE_VIEW_MS;
    let loosest: Amounts | undefined;
    for (const [index, { fromMs, limit }] of steps.entries()) {
      const untilMs = steps[index + 1]?.fromMs ?? Infinity;
      if (untilMs < sinceMs) continue;
      // A quota made after the start of the run was preceded by no limit.
      if (limit === undefined || (index === 0 && fromMs > 0 && fromMs > sinceMs)) return undefined;
      loosest = {
        cpuMillis: Math.max(loosest?.cpuMillis ?? 0, limit.cpuMillis ?? Infinity),
        memBytes: Math.max(loosest?.memBytes ?? 0, limit.memBytes ?? Infinity),
      };
    }
    return loosest;
  }

  /** A kill needs a cause: the job changed or went, the node was disrupted, it makes room, its slot was doubled. */
  #judgeKill(pod: Pod, previous: Pod | undefined, by: string): void {
    if (previous === undefined || previous.metadata.deletionTimestamp !== undefined) return;
    if (pod.metadata.deletionTimestamp === undefined || previous.status?.phase !== 'Running')
      return;
    const bornMs = this.#origins.get(pod.metadata.uid ?? '')?.atMs ?? 0;
    if (this.#doubledSlots.has(slotOf(pod) ?? '')) return;
    if ((this.#disruptedMs.get(pod.spec.nodeName ?? '') ?? -1) >= bornMs) return;
    if (!this.#killCauses.isNeedless(pod, this.#clock.monotonicMs() - STALE_VIEW_MS)) return;
    this.fail('needless', `${by} killed ${podKey(pod)}, which was running and wanted`);
  }

  /** A job that says it succeeded must have had a whole run of each instance. */
  #judgeResult({ change }: Commit): void {
    const { metadata, spec, status } = change.object as AdhocJobObject;
    if (status?.result !== 'Succeeded' || change.type === 'deleted') return;
    for (let instance = 0; instance < (spec.instances ?? 1); instance += 1) {
      const slot = `${metadata.uid}/${instance}`;
      if (this.#everFinished.has(slot)) continue;
      this.#everFinished.add(slot);
      this.fail(
        'unfinished',
        `AdhocJob ${metadata.name} succeeded, but no run of instance ${instance} came to its end`,
      );
    }
  }

  #judgeRun({ change, by }: Commit): void {
    if (change.type !== 'added' || !this.#isOperator(by)) return;
    const target = cronTargetOf(change.object);
    if (target === undefined) return;
    const earlier = this.#cronRuns.get(target);
    if (earlier !== undefined)
      this.fail('cron', `${change.object.metadata.name} and ${earlier} are runs of ${target}`);
    this.#cronRuns.set(target, change.object.metadata.name);
  }

  /** Targets of a CronJob that got a run, as `uid@name`. */
  get cronTargets(): ReadonlyMap<string, string> {
    return this.#cronRuns;
  }
}

export function cronTargetOf({ metadata }: KubeObject): string | undefined {
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'CronJob');
  if (owner === undefined) return undefined;
  const at = metadata.annotations?.['mezzo.dev/scheduled-at'];
  return at === undefined ? undefined : `${owner.uid}@${at}`;
}

function withAncestors(role: string): readonly string[] {
  const parts = role.split('/');
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
