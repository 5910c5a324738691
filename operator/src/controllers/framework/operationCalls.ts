import type { FrameworkId } from '../../model/ids.ts';
import { type CallOf, uuidFromBase64 } from '../../schema/mesos/call.ts';
import type { Registry } from './registry.ts';
import type { FrameworkHubOptions } from './types.ts';

type Question = CallOf<'RECONCILE_OPERATIONS'>['body']['operations'][number];

/** Calls of subscribed frameworks about operations that carry an id. */
export class OperationCalls {
  readonly #options: FrameworkHubOptions;
  readonly #registry: Registry;

  constructor(options: FrameworkHubOptions, registry: Registry) {
    this.#options = options;
    this.#registry = registry;
  }

  acknowledge(id: FrameworkId, body: CallOf<'ACKNOWLEDGE_OPERATION_STATUS'>['body']): void {
    const uuid = uuidFromBase64(body.uuid);
    if (uuid !== undefined)
      this.#registry.operations.acknowledge(id, body.operation_id.value, uuid);
  }

  /** An empty list asks about every operation. Answers carry no uuid. */
  reconcile(id: FrameworkId, questions: readonly Question[]): void {
    const known = new Map(this.#registry.operations.known(id).map((one) => [one.id, one] as const));
    const asked =
      questions.length > 0
        ? questions
        : [...known.keys()].map((value) => ({ operation_id: { value }, agent_id: undefined }));
    for (const { operation_id, agent_id } of asked) {
      const found = known.get(operation_id.value);
      const agent = found?.agent ?? agent_id?.value;
      this.#registry.send(id, {
        type: 'UPDATE_OPERATION_STATUS',
        update_operation_status: {
          status: {
            operation_id: { value: operation_id.value },
            state: found?.state ?? this.#stateOfUnknown(),
            message: 'Reconciliation: Latest operation state',
            ...(agent === undefined ? {} : { agent_id: { value: agent } }),
          },
        },
      });
    }
  }

  /** Soon after a restart nobody can say yet what a master before this one knew. */
  #stateOfUnknown(): 'OPERATION_RECOVERING' | 'OPERATION_UNKNOWN' {
    const { clock, config } = this.#options;
    return clock.monotonicMs() - this.#registry.startedMs < config.reconcileQuietMs
      ? 'OPERATION_RECOVERING'
      : 'OPERATION_UNKNOWN';
  }
}
