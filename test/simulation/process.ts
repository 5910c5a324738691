import type { Clock } from '../../operator/src/ports/clock.ts';
import type { IdSource } from '../../operator/src/ports/idSource.ts';
import type { KubeApi } from '../../operator/src/ports/kubeApi.ts';
import type { Logger } from '../../operator/src/ports/logger.ts';
import type { Rng } from '../../operator/src/ports/rng.ts';

/** What a process of the operator gets instead of the real world. */
export interface ProcessPorts {
  readonly identity: string;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly ids: IdSource;
  readonly log: Logger;
  /** The operator noticed that it misjudged a task. */
  readonly illegalTransition: (from: string, to: string) => void;
}

/** An operator as the simulation runs it. */
export interface OperatorProcess {
  start(): Promise<void>;
  /** Resolves when the process ended itself, as it does when it loses its lease. */
  readonly exited: Promise<unknown>;
  isLeader(): boolean;
}

export type LaunchOperator = (ports: ProcessPorts) => OperatorProcess;

export function seededIds(rng: Rng): IdSource {
  const hex = (digits: number): string => {
    let text = '';
    while (text.length < digits) text += rng.int(16).toString(16);
    return text;
  };
  return { uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}` };
}
