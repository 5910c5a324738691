import type { Result } from '../../model/result.ts';
import type { KubeObject, ResourceRef } from '../../ports/kubeApi.ts';

/** One write to the API server that an operator call stands for: what `kubectl` would send. */
export type PlannedWrite =
  | { readonly verb: 'create'; readonly ref: ResourceRef; readonly object: KubeObject }
  /** A merge patch. */
  | {
      readonly verb: 'patch';
      readonly ref: ResourceRef;
      readonly name: string;
      readonly patch: object;
    }
  | {
      readonly verb: 'delete';
      readonly ref: ResourceRef;
      readonly name: string;
      readonly namespace?: string;
    };

/** Why a call is refused, and which status says so. */
export interface CallRefusal {
  readonly kind:
    | 'badRequest'
    | 'forbidden'
    | 'notFound'
    | 'conflict'
    | 'notImplemented'
    | 'unavailable';
  readonly message: string;
}

/** All writes of a call, or none. */
export type CallPlan = Result<readonly PlannedWrite[], CallRefusal>;
