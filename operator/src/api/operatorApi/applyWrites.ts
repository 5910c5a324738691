import type { Principal } from '../../controllers/framework/types.ts';
import type { CallRefusal, PlannedWrite } from '../../controllers/operatorCalls/types.ts';
import {
  isKubeError,
  type KubeApi,
  type KubeErrorCode,
  type WriteOptions,
} from '../../ports/kubeApi.ts';
import { OperatorError } from '../../runtime/errors.ts';
import type { AccessQuestion, AccessReviewer } from '../auth/accessReview.ts';

export interface Writer {
  readonly kube: KubeApi;
  readonly access: AccessReviewer;
  readonly principal: Principal;
  /** Write as the caller instead of as the operator. */
  readonly impersonate: boolean;
}

/**
 * Does what the caller asked for, if it could do all of it with kubectl: first every right is reviewed, then every write is
 * tried without effect, and only then are they made.
 * Output: undefined when all was written, else why not.
 */
export async function applyWrites(
  writes: readonly PlannedWrite[],
  writer: Writer,
): Promise<CallRefusal | undefined> {
  for (const write of writes) {
    const verdict = await writer.access.may(writer.principal, questionOf(write));
    if (verdict.kind === 'denied')
      return { kind: 'forbidden', message: `Missing: ${verdict.missing}` };
    if (verdict.kind === 'unavailable') return { kind: 'unavailable', message: verdict.message };
  }
  const { name, groups } = writer.principal;
  const options: WriteOptions = writer.impersonate ? { impersonate: { user: name, groups } } : {};
  for (const dryRun of [true, false]) {
    let done = 0;
    for (const write of writes) {
      try {
        await send(writer.kube, write, { ...options, dryRun });
        done += 1;
      } catch (error) {
        return refusalOf(error, write, dryRun ? 0 : done);
      }
    }
  }
  return undefined;
}

function questionOf(write: PlannedWrite): AccessQuestion {
  const { verb, ref } = write;
  const what = { group: ref.group, resource: ref.plural, verb };
  if (write.verb === 'create') return what;
  const named = { ...what, name: write.name };
  return write.verb === 'delete' && write.namespace !== undefined
    ? { ...named, namespace: write.namespace }
    : named;
}

async function send(kube: KubeApi, write: PlannedWrite, options: WriteOptions): Promise<void> {
  switch (write.verb) {
    case 'create':
      await kube.create(write.ref, write.object, options);
      return;
    case 'patch':
      await kube.patch(write.ref, { name: write.name }, 'merge', write.patch, options);
      return;
    case 'delete': {
      const { name, namespace } = write;
      await kube.delete(
        write.ref,
        { name, ...(namespace === undefined ? {} : { namespace }) },
        options,
      );
    }
  }
}

const REFUSALS = {
  badRequest: 'badRequest',
  invalid: 'badRequest',
  unauthorized: 'unavailable',
  forbidden: 'forbidden',
  // Somebody else changed the same thing at the same time.
  notFound: 'conflict',
  alreadyExists: 'conflict',
  conflict: 'conflict',
  gone: 'conflict',
  tooManyRequests: 'unavailable',
  unavailable: 'unavailable',
  unknownOutcome: 'unavailable',
} as const satisfies Record<KubeErrorCode, CallRefusal['kind']>;

function refusalOf(error: unknown, write: PlannedWrite, done: number): CallRefusal {
  const name = write.verb === 'create' ? write.object.metadata.name : write.name;
  const before = done === 0 ? '' : ` (${done} change(s) of this call were made before it)`;
  const what = `${write.verb} ${write.ref.kind} ${name}${before}`;
  if (isKubeError(error))
    return { kind: REFUSALS[error.code], message: `${what}: ${error.message}` };
  if (error instanceof OperatorError)
    return { kind: 'unavailable', message: `${what}: ${error.message}` };
  throw error;
}
