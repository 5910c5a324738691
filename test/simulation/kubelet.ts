import { isKubeError } from '../../operator/src/ports/kubeApi.ts';
import type { Rng } from '../../operator/src/ports/rng.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../operator/src/schema/kubeObjects.ts';
import { timestamp } from '../support/fakeApi/objectRules.ts';
import type { FakeApiServer } from '../support/fakeApiServer.ts';
import type { FakeClock } from '../support/fakeClock.ts';
import {
  type Amounts,
  amountsOf,
  exceeds,
  isTerminal,
  NOTHING,
  plus,
  requestsOf,
  show,
} from './podFacts.ts';

interface Machine {
  readonly name: string;
  /** How far its clock is off; the times in statuses are its own. */
  readonly skewMs: number;
  readonly allocatable: Amounts;
  isUp: boolean;
  /** What the kubelet could not do while its node was cut off. */
  readonly waiting: (() => void)[];
  readonly runs: Map<string, Run>;
}

interface Run {
  readonly uid: string;
  readonly key: { readonly name: string; readonly namespace: string };
  /** Held on the node from admission to the end of the containers. */
  holds: Amounts | undefined;
  isStopping: boolean;
}

/** How long the container of a task runs and how it ends; from its environment, as set by the workload. */
interface Script {
  readonly durationMs: number | undefined;
  readonly exitCode: number;
}

export interface KubeletOptions {
  readonly api: FakeApiServer;
  readonly clock: FakeClock;
  readonly rng: Rng;
}

/**
 * The kubelets of all nodes. Each sees the Pods bound to its node at once, admits them within its allocatable,
 * runs them to their end and honours deletion. Cut off, a node does nothing until it is back.
 */
export class Kubelets {
  readonly #options: KubeletOptions;
  readonly #machines = new Map<string, Machine>();

  constructor(options: KubeletOptions) {
    this.#options = options;
    options.api.onCommit(({ ref, change }) => {
      if (ref.plural !== 'pods' || ref.group !== '') return;
      const pod = change.object as Pod;
      const machine = this.#machines.get(pod.spec.nodeName ?? '');
      if (machine === undefined) return;
      const run = machine.runs.get(pod.metadata.uid ?? '');
      if (change.type === 'deleted') machine.runs.delete(pod.metadata.uid ?? '');
      else if (run === undefined) this.#accept(machine, pod);
      else if (pod.metadata.deletionTimestamp !== undefined) this.#stopLater(machine, run, pod);
    });
  }

  addNode(node: Node): void {
    const { name } = node.metadata;
    const allocatable = { ...NOTHING, ...amountsOf(node.status?.allocatable) };
    const skewMs = drawSkewMs(this.#options.rng);
    this.#machines.set(name, {
      name,
      skewMs,
      allocatable,
      isUp: true,
      waiting: [],
      runs: new Map(),
    });
    this.#options.api.create(NODES, node, { by: `kubelet ${name}` });
  }

  get nodeNames(): readonly string[] {
    return [...this.#machines.keys()];
  }

  isUp(name: string): boolean {
    return this.#machines.get(name)?.isUp ?? false;
  }

  cutOff(name: string): void {
    const machine = this.#machines.get(name);
    if (machine !== undefined) machine.isUp = false;
  }

  /** The node is back. After a reboot its containers are dead. */
  comeBack(name: string, wasReboot: boolean): void {
    const machine = this.#machines.get(name);
    if (machine === undefined || machine.isUp) return;
    machine.isUp = true;
    if (wasReboot) for (const run of machine.runs.values()) this.#end(machine, run, 137);
    for (const act of machine.waiting.splice(0)) act();
  }

  /** The machine is gone for good. */
  remove(name: string): void {
    this.#machines.delete(name);
  }

  /** Runs `act` after the delay, or when the node is back, unless it was removed or the Pod is gone. */
  #later(machine: Machine, run: Run, delayMs: number, act: () => void): void {
    const attempt = (): void => {
      if (this.#machines.get(machine.name) !== machine || machine.runs.get(run.uid) !== run) return;
      if (machine.isUp) act();
      else machine.waiting.push(attempt);
    };
    this.#options.clock.setTimer(delayMs, attempt);
  }

  #accept(machine: Machine, pod: Pod): void {
    const { name, namespace = '', uid = '' } = pod.metadata;
    const run: Run = { uid, key: { name, namespace }, holds: undefined, isStopping: false };
    machine.runs.set(uid, run);
    if (isTerminal(pod)) return;
    this.#later(machine, run, 20 + this.#options.rng.int(200), () => this.#admit(machine, run));
    if (pod.metadata.deletionTimestamp !== undefined) this.#stopLater(machine, run, pod);
  }

  #admit(machine: Machine, run: Run): void {
    const pod = this.#current(run);
    if (pod === undefined || isTerminal(pod) || run.isStopping) return;
    const wanted = requestsOf(pod);
    let total = wanted;
    for (const other of machine.runs.values()) total = plus(total, other.holds ?? NOTHING);
    if (exceeds(total, machine.allocatable)) {
      const reason = total.cpuMillis > machine.allocatable.cpuMillis ? 'OutOfcpu' : 'OutOfmemory';
      const message = `Pod was rejected: node has ${show(machine.allocatable)}, needed ${show(total)}`;
      this.#setStatus(machine, run, { phase: 'Failed', reason, message });
      return;
    }
    run.holds = wanted;
    const startMs = 200 + this.#options.rng.int(2500);
    this.#later(machine, run, startMs, () => this.#start(machine, run));
  }

  #start(machine: Machine, run: Run): void {
    const pod = this.#current(run);
    if (pod === undefined || run.isStopping || isTerminal(pod)) return;
    const startedAt = this.#timeOn(machine);
    this.#setStatus(machine, run, {
      phase: 'Running',
      startTime: startedAt,
      podIP: '10.0.0.1',
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: startedAt }],
      containerStatuses: pod.spec.containers.map(({ name }) => ({
        name,
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt } },
      })),
    });
    const { durationMs, exitCode } = scriptOf(pod);
    if (durationMs !== undefined)
      this.#later(machine, run, durationMs, () => this.#end(machine, run, exitCode));
  }

  #end(machine: Machine, run: Run, exitCode: number): void {
    const pod = this.#current(run);
    run.holds = undefined;
    if (pod === undefined || isTerminal(pod)) return;
    const finishedAt = this.#timeOn(machine);
    const reason = exitCode === 0 ? 'Completed' : 'Error';
    const { startTime } = pod.status ?? {};
    this.#setStatus(machine, run, {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: finishedAt }],
      containerStatuses: pod.spec.containers.map(({ name }) => ({
        name,
        ready: false,
        started: false,
        restartCount: 0,
        state: {
          terminated: {
            exitCode,
            reason,
            finishedAt,
            ...(startTime !== undefined && { startedAt: startTime }),
          },
        },
      })),
    });
  }

  /** Ends the containers within the grace period (now and then only at its end), then lets the record go. */
  #stopLater(machine: Machine, run: Run, pod: Pod): void {
    if (run.isStopping) return;
    run.isStopping = true;
    const { rng } = this.#options;
    const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
    const stopMs = rng.next() < 0.1 ? graceMs : Math.min(graceMs, 100 + rng.int(2000));
    this.#later(machine, run, stopMs, () => {
      this.#end(machine, run, rng.next() < 0.3 ? 0 : 143);
      this.#later(machine, run, 50 + rng.int(500), () => {
        const by = `kubelet ${machine.name}`;
        tolerant(() =>
          this.#options.api.delete(PODS, run.key, { uid: run.uid, gracePeriodSeconds: 0, by }),
        );
      });
    });
  }

  #timeOn({ skewMs }: Machine): string {
    return timestamp(this.#options.clock.nowMs() + skewMs);
  }

  #current(run: Run): Pod | undefined {
    const pod = this.#options.api.peek(PODS, run.key) as Pod | undefined;
    return pod?.metadata.uid === run.uid ? pod : undefined;
  }

  #setStatus(machine: Machine, run: Run, status: NonNullable<Pod['status']>): void {
    const by = `kubelet ${machine.name}`;
    tolerant(() =>
      this.#options.api.patch(PODS, run.key, 'merge', { status }, { subresource: 'status', by }),
    );
  }
}

/** Most clocks are right to a few seconds; now and then one is minutes off, as without a time server. */
function drawSkewMs(rng: Rng): number {
  const mostMs = rng.next() < 0.1 ? 120_000 : 2500;
  return rng.int(2 * mostMs + 1) - mostMs;
}

function scriptOf(pod: Pod): Script {
  const env = new Map(pod.spec.containers[0]?.env?.map(({ name, value }) => [name, value]));
  const seconds = env.get('SIM_DURATION_SECONDS');
  const { annotations } = pod.metadata;
  const told = annotations?.['sim.mezzo.dev/duration-seconds'] ?? seconds;
  return {
    durationMs: told === undefined ? undefined : Number(told) * 1000,
    exitCode: Number(annotations?.['sim.mezzo.dev/exit-code'] ?? env.get('SIM_EXIT_CODE') ?? 0),
  };
}

/** Runs a call whose object may have gone or changed in the meantime. */
export function tolerant(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    if (!isKubeError(error, 'notFound', 'conflict')) throw error;
  }
}
