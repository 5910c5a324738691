import type { Rng } from '../../operator/src/ports/rng.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../operator/src/schema/kubeObjects.ts';
import { timestamp } from '../support/fakeApi/objectRules.ts';
import type { FakeApiServer } from '../support/fakeApiServer.ts';
import type { FakeClock } from '../support/fakeClock.ts';
import { type Kubelets, tolerant } from './kubelet.ts';
import { isTerminal } from './podFacts.ts';

/** kube-controller-manager waits this long before it calls a silent node unknown. */
const MONITOR_GRACE_MS = 40_000;
/** And this long before it removes Pods of a node that does not exist. */
const POD_GC_MS = 40_000;

export interface FleetOptions {
  readonly api: FakeApiServer;
  readonly clock: FakeClock;
  readonly rng: Rng;
  readonly kubelets: Kubelets;
  /** Size of every node. */
  readonly cpus: number;
}

/** The nodes and what kube-controller-manager does about them: unknown nodes, taints, Pods without a node. */
export class Fleet {
  readonly #options: FleetOptions;
  /** World time of the last disruption per node: outages, losses. */
  readonly disruptedMs = new Map<string, number>();
  #made = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    options.api.onCommit(({ ref, change }) => {
      if (ref.plural !== 'pods' || change.type !== 'added') return;
      this.#collectWithoutNode((change.object as Pod).spec.nodeName ?? '');
    });
  }

  addNode(): string {
    this.#made += 1;
    const name = `node-${this.#made}`;
    const { clock, kubelets, cpus } = this.#options;
    const amounts = { cpu: String(cpus), memory: `${2 * cpus}Gi`, pods: '110' };
    kubelets.addNode({
      metadata: { name, labels: { 'kubernetes.io/hostname': name } },
      spec: {},
      status: {
        capacity: amounts,
        allocatable: amounts,
        conditions: [ready('True', clock.nowMs())],
      },
    });
    return name;
  }

  /** Cuts a node off; back after `durationMs`, with its containers alive or, after a reboot, dead. */
  outage(name: string, durationMs: number, isReboot: boolean): void {
    const { kubelets, clock } = this.#options;
    if (!kubelets.isUp(name)) return;
    kubelets.cutOff(name);
    this.#disrupt(name);
    clock.setTimer(MONITOR_GRACE_MS, () => {
      if (kubelets.nodeNames.includes(name) && !kubelets.isUp(name))
        this.#setReady(name, 'Unknown');
    });
    clock.setTimer(durationMs, () => {
      this.#disrupt(name);
      this.#setReady(name, 'True');
      kubelets.comeBack(name, isReboot);
    });
  }

  /** The machine is gone and its Node object with it. */
  lose(name: string): void {
    const { kubelets, api } = this.#options;
    this.#disrupt(name);
    kubelets.remove(name);
    tolerant(() => api.delete(NODES, { name }, { by: 'cloud' }));
    this.#collectWithoutNode(name);
  }

  #disrupt(name: string): void {
    this.disruptedMs.set(name, this.#options.clock.monotonicMs());
  }

  #setReady(name: string, status: 'True' | 'Unknown'): void {
    const { api, clock } = this.#options;
    const by = 'node-controller';
    const condition = ready(status, clock.nowMs());
    const key = 'node.kubernetes.io/unreachable';
    const taints =
      status === 'True'
        ? null
        : [
            { key, effect: 'NoSchedule' },
            { key, effect: 'NoExecute' },
          ];
    tolerant(() =>
      api.patch(
        NODES,
        { name },
        'merge',
        { status: { conditions: [condition] } },
        { subresource: 'status', by },
      ),
    );
    tolerant(() => api.patch(NODES, { name }, 'merge', { spec: { taints } }, { by }));
  }

  /** Source: kube-controller-manager's pod garbage collector, terminated Pods. */
  sweepEndedPods(): void {
    const { api } = this.#options;
    for (const pod of [...(api.all(PODS) as Iterable<Pod>)].filter(isTerminal)) {
      const { name, namespace = '' } = pod.metadata;
      tolerant(() => api.delete(PODS, { name, namespace }, { by: 'pod-gc' }));
    }
  }

  /** Source: kube-controller-manager's pod garbage collector, orphaned Pods. */
  #collectWithoutNode(nodeName: string): void {
    const { api, clock } = this.#options;
    if (nodeName === '' || api.peek(NODES, { name: nodeName }) !== undefined) return;
    clock.setTimer(POD_GC_MS, () => {
      if (api.peek(NODES, { name: nodeName }) !== undefined) return;
      const orphans = [...(api.all(PODS) as Iterable<Pod>)].filter(
        ({ spec }) => spec.nodeName === nodeName,
      );
      for (const { metadata, status } of orphans) {
        const key = { name: metadata.name, namespace: metadata.namespace ?? '' };
        const by = 'pod-gc';
        const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed';
        const over = { status: { phase: 'Failed', reason: 'NodeLost' } };
        if (!isOver)
          tolerant(() => api.patch(PODS, key, 'merge', over, { subresource: 'status', by }));
        tolerant(() =>
          api.delete(PODS, key, { gracePeriodSeconds: 0, uid: metadata.uid ?? '', by }),
        );
      }
    });
  }
}

function ready(
  status: string,
  nowMs: number,
): NonNullable<NonNullable<Node['status']>['conditions']>[number] {
  const reason = status === 'True' ? 'KubeletReady' : 'NodeStatusUnknown';
  return { type: 'Ready', status, reason, lastTransitionTime: timestamp(nowMs) };
}
