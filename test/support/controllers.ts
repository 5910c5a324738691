import { createUsageBoard } from '../../operator/src/controllers/usage.ts';
import type { KubeApi } from '../../operator/src/ports/kubeApi.ts';
import type { Metrics } from '../../operator/src/ports/metrics.ts';
import {
  type ControllerName,
  type ControllerSet,
  createControllerSet,
} from '../../operator/src/runtime/controllerSet.ts';
import { DEFAULT_CONFIG } from '../../operator/src/runtime/operatorConfig.ts';
import type { FakeClock } from './fakeClock.ts';
import { silentLog, TEST_CONFIG } from './frameworkHarness.ts';
import { EventList, NO_METRICS, type OperatorWorld } from './operatorWorld.ts';

/** The controllers of one process over a fake API server; nothing runs unless the test asks for it. */
export class ControllersByHand {
  readonly events = new EventList();
  readonly asked: string[] = [];
  readonly set: ControllerSet;
  readonly #stopping = new AbortController();

  constructor(
    all: OperatorWorld,
    clock: FakeClock,
    options: { readonly kube?: KubeApi; readonly metrics?: Partial<Metrics> } = {},
  ) {
    this.set = createControllerSet({
      world: all.world,
      kube: options.kube ?? all.kube,
      clock,
      log: silentLog,
      metrics: { ...NO_METRICS, ...options.metrics },
      recorder: this.events,
      usage: createUsageBoard(clock),
      config: {
        ...DEFAULT_CONFIG,
        identity: 'test',
        namespace: 'mezzo-system',
        frameworks: TEST_CONFIG,
      },
      epoch: () => 1,
      mayAct: () => !this.#stopping.signal.aborted,
      signal: this.#stopping.signal,
      observePod: () => undefined,
      relistPods: () => Promise.resolve(),
      enqueue: (controller, key) => this.asked.push(`${controller} ${key}`),
    });
    this.set.scheduling.start();
  }

  async look(controller: ControllerName, key: string): Promise<void> {
    await this.set.reconcile[controller](key);
  }

  /** What a killed process does: nothing any more. */
  kill(): void {
    this.#stopping.abort(new Error('killed'));
    this.set.scheduling.stop();
  }
}
