import type { FrameworkId } from '../../model/ids.ts';
import type { CancelTimer, Clock } from '../../ports/clock.ts';
import type { IdSource } from '../../ports/idSource.ts';
import { uuidToBase64 } from '../../schema/mesos/call.ts';
import type { MesosOperationState, WireOperationStatus } from '../../schema/mesos/event.ts';

export interface OperationStatusesOptions {
  readonly clock: Clock;
  readonly ids: IdSource;
  /** Sends one status; false when the framework is not connected. */
  readonly deliver: (framework: FrameworkId, status: WireOperationStatus) => boolean;
}

/** What became of an operation. */
export interface OperationResult {
  readonly state: MesosOperationState;
  readonly message?: string;
  readonly agent?: string;
}

interface OperationRecord extends OperationResult {
  readonly id: string;
  /** Set while an acknowledgement is owed. */
  uuid: string | undefined;
  attempts: number;
  cancel: CancelTimer | undefined;
}

/** Source: Mesos `src/status_update_manager/operation.hpp`: as for tasks. */
const FIRST_RESEND_MS = 10_000;
const LONGEST_RESEND_MS = 600_000;
/** Operations remembered per framework; the oldest is forgotten first. */
const MAX_REMEMBERED = 1_000;

/**
 * Feedback on operations that carry an id. A result is sent until it is acknowledged; a refusal by the master itself
 * carries no uuid and is sent once. In memory only: after a restart the framework reconciles.
 * Source: Mesos `docs/operation-reconciliation.md`.
 */
export class OperationStatuses {
  readonly #options: OperationStatusesOptions;
  readonly #frameworks = new Map<FrameworkId, Map<string, OperationRecord>>();

  constructor(options: OperationStatusesOptions) {
    this.#options = options;
  }

  /** The master refuses an operation: told once, without an agent. */
  refuse(framework: FrameworkId, id: string, message: string): void {
    this.#options.deliver(framework, {
      operation_id: { value: id },
      state: 'OPERATION_ERROR',
      message,
    });
  }

  /** An operation came to its end. */
  settle(framework: FrameworkId, id: string, result: OperationResult): void {
    const records = this.#frameworks.get(framework) ?? new Map<string, OperationRecord>();
    this.#frameworks.set(framework, records);
    records.get(id)?.cancel?.();
    records.delete(id);
    const record = { ...result, id, uuid: undefined, attempts: 0, cancel: undefined };
    records.set(id, record);
    this.#forgetOldest(records);
    if (result.state !== 'OPERATION_PENDING') this.#send(framework, record);
  }

  /** Ends the sending when the uuid fits; anything else is ignored, as Mesos does. */
  acknowledge(framework: FrameworkId, id: string, uuid: string): void {
    const record = this.#frameworks.get(framework)?.get(id);
    if (record === undefined || record.uuid !== uuid) return;
    record.cancel?.();
    this.#frameworks.get(framework)?.delete(id);
  }

  known(framework: FrameworkId): readonly ({ readonly id: string } & OperationResult)[] {
    return [...(this.#frameworks.get(framework)?.values() ?? [])];
  }

  /** The framework is connected (again): everything owed is sent at once. */
  resume(framework: FrameworkId): void {
    for (const record of this.#frameworks.get(framework)?.values() ?? []) {
      if (record.uuid === undefined) continue;
      record.attempts = 0;
      this.#send(framework, record);
    }
  }

  /** The framework is gone for good. */
  forget(framework: FrameworkId): void {
    for (const record of this.#frameworks.get(framework)?.values() ?? []) record.cancel?.();
    this.#frameworks.delete(framework);
  }

  stop(): void {
    for (const framework of this.#frameworks.keys()) this.forget(framework);
  }

  #send(framework: FrameworkId, record: OperationRecord): void {
    const { clock, ids, deliver } = this.#options;
    record.cancel?.();
    record.cancel = undefined;
    record.uuid ??= ids.uuid();
    const isDelivered = deliver(framework, {
      operation_id: { value: record.id },
      state: record.state,
      ...(record.message === undefined ? {} : { message: record.message }),
      uuid: { value: uuidToBase64(record.uuid) },
      ...(record.agent === undefined ? {} : { agent_id: { value: record.agent } }),
    });
    if (!isDelivered) return;
    const delayMs = Math.min(FIRST_RESEND_MS * 2 ** record.attempts, LONGEST_RESEND_MS);
    record.attempts += 1;
    record.cancel = clock.setTimer(delayMs, () => this.#send(framework, record));
  }

  #forgetOldest(records: Map<string, OperationRecord>): void {
    if (records.size <= MAX_REMEMBERED) return;
    const oldest = records.entries().next();
    if (oldest.done) return;
    const [id, record] = oldest.value;
    record.cancel?.();
    records.delete(id);
  }
}
