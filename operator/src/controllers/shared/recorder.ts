import type { KubeObject } from '../../ports/kubeApi.ts';

/** Tells people what happened to an object (`kubectl describe`, `kubectl events`). Best effort: it may drop, never block. */
export interface Recorder {
  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string): void;
}
