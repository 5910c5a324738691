import {
  isKubeError,
  type KubeApi,
  type KubeObject,
  type ResourceRef,
  type WriteOptions,
} from '../ports/kubeApi.ts';
import { OperatorError } from './errors.ts';
import type { Leadership } from './leaderElection.ts';

export interface GuardedApiOptions {
  readonly api: KubeApi;
  readonly leadership: Leadership;
  /** Told of each object a write returned, so that the next decision already sees it. */
  readonly observe: (ref: ResourceRef, written: KubeObject) => void;
}

/**
 * A KubeApi through which only the leader writes.
 *
 * Guarantees: leadership is checked when a write is asked for and again when it leaves for a socket; a write still
 * under way when the term ends is aborted (its outcome is then unknown); what was written is in the cache before the
 * caller goes on.
 * Errors: those of the port, and `OperatorError` `notLeader`.
 */
export function createGuardedApi(options: GuardedApiOptions): KubeApi {
  const { api, leadership, observe } = options;

  const guarded = async <T, O extends WriteOptions>(
    what: string,
    given: O | undefined,
    write: (options: O) => Promise<T>,
  ): Promise<T> => {
    if (!leadership.isLeader())
      throw new OperatorError('notLeader', `${what}: this process does not lead, nothing was sent`);
    const term = leadership.termSignal();
    const signal = given?.signal === undefined ? term : AbortSignal.any([term, given.signal]);
    const stillWanted = (): boolean => leadership.isLeader() && given?.stillWanted?.() !== false;
    try {
      return await write({ ...given, signal, stillWanted } as O);
    } catch (error) {
      if (isKubeError(error, 'unavailable') && !leadership.isLeader())
        throw new OperatorError('notLeader', `${what}: leadership ended before it was sent`, {
          cause: error,
        });
      throw error;
    }
  };

  const seen = <T extends KubeObject>(
    ref: ResourceRef,
    written: T,
    given: (WriteOptions & { readonly subresource?: string }) | undefined,
  ): T => {
    // A dry run stored nothing, and the scale subresource answers with a Scale.
    if (given?.dryRun !== true && given?.subresource !== 'scale') observe(ref, written);
    return written;
  };

  return {
    get: (ref, key, signal) => api.get(ref, key, signal),
    list: (ref, listOptions, signal) => api.list(ref, listOptions, signal),
    watch: (ref, watchOptions, onEvent, signal) => api.watch(ref, watchOptions, onEvent, signal),
    create: async (ref, object, given) =>
      seen(
        ref,
        await guarded(`create ${ref.kind} ${object.metadata.name}`, given, (all) =>
          api.create(ref, object, all),
        ),
        given,
      ),
    update: async (ref, object, given) =>
      seen(
        ref,
        await guarded(`update ${ref.kind} ${object.metadata.name}`, given, (all) =>
          api.update(ref, object, all),
        ),
        given,
      ),
    async patch<T extends KubeObject>(
      ...[ref, key, type, body, given]: Parameters<KubeApi['patch']>
    ) {
      const written = await guarded(`patch ${ref.kind} ${key.name}`, given, (all) =>
        api.patch<T>(ref, key, type, body, all),
      );
      return seen(ref, written, given);
    },
    delete: (ref, key, given) =>
      guarded(`delete ${ref.kind} ${key.name}`, given, (all) => api.delete(ref, key, all)),
    evict: (pod, given) => guarded(`evict Pod ${pod.name}`, given, (all) => api.evict(pod, all)),
    bind: (pod, nodeName, given) =>
      guarded(`bind Pod ${pod.name}`, given, (all) => api.bind(pod, nodeName, all)),
  };
}
