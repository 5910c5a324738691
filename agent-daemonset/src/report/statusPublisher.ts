import type { Clock } from '../../../operator/src/ports/clock.ts';
import { isKubeError, type KubeApi } from '../../../operator/src/ports/kubeApi.ts';
import type { Logger } from '../../../operator/src/ports/logger.ts';
import { AGENTS, type AgentObject, API_VERSION } from '../../../operator/src/schema/mezzoKinds.ts';
import type { HardwareInventory } from '../inventory/types.ts';
import type { Backoff } from './backoff.ts';
import { decideStatusWrite, type WrittenFigures } from './decideStatusWrite.ts';

/** What the agent wants its Agent object to say. */
export interface AgentFigures {
  readonly hardware: HardwareInventory;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Wall clock of the sample the figures come from. */
  readonly observedAtMs: number;
}

export type StatusWriteOutcome = 'written' | 'hardwareWritten' | 'absent' | 'failed' | 'skipped';

export interface StatusPublisherOptions {
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly log: Logger;
  readonly node: string;
  readonly onOutcome: (outcome: StatusWriteOutcome) => void;
}

/** Owns `status.hardware`. */
export const HARDWARE_FIELD_MANAGER = 'mezzo-agent';
/** Owns `status.revocable` and `status.agentHeartbeat`: a manager of its own, so the large inventory is not sent along. */
export const USAGE_FIELD_MANAGER = 'mezzo-agent-usage';

const CALL_TIMEOUT_MS = 10_000;
/** An inventory the API server refuses is not tried again at once. */
const HARDWARE_INTERVAL_MS = 60_000;

/**
 * Keeps the agent's part of the Agent object's status, by server-side apply.
 *
 * Guarantees: one write at a time and only when `decideStatusWrite` says so; the inventory is written only when
 * the object holds another hash (its reply to the usage write tells), so never again after a mere restart, and
 * anew when the object was made anew. Needs no right but `patch` on `agents/status`.
 * Errors: none come out; the next offer tries again after a back-off.
 */
export class StatusPublisher {
  readonly #options: StatusPublisherOptions;
  #written: WrittenFigures | undefined;
  #hardwareTriedMs: number | undefined;
  #writing = false;

  constructor(options: StatusPublisherOptions) {
    this.#options = options;
  }

  async offer(figures: AgentFigures, signal: AbortSignal): Promise<void> {
    const { clock, backoff, onOutcome } = this.#options;
    const nowMs = clock.monotonicMs();
    if (decideStatusWrite(this.#written, figures, nowMs) === undefined) return;
    if (this.#writing || !backoff.ready) {
      onOutcome('skipped');
      return;
    }
    this.#writing = true;
    try {
      const holds = await this.#writeUsage(figures, signal);
      const { cpuMillis, memoryBytes } = figures;
      this.#written = { cpuMillis, memoryBytes, monotonicMs: nowMs };
      onOutcome('written');
      backoff.succeeded();
      await this.#maybeWriteHardware(figures.hardware, holds, signal);
    } catch (error) {
      if (!signal.aborted) this.#noteFailure(error);
    } finally {
      this.#writing = false;
    }
  }

  /** Returns the hash of the inventory that the object holds. */
  async #writeUsage(figures: AgentFigures, signal: AbortSignal): Promise<string | undefined> {
    const observedAt = new Date(figures.observedAtMs).toISOString();
    const { cpuMillis, memoryBytes } = figures;
    const agent = await this.#apply(
      USAGE_FIELD_MANAGER,
      { revocable: { cpuMillis, memoryBytes, observedAt }, agentHeartbeat: observedAt },
      signal,
    );
    return agent.status?.hardware?.hash;
  }

  async #maybeWriteHardware(
    hardware: HardwareInventory,
    holds: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (holds === hardware.hash) return;
    const nowMs = this.#options.clock.monotonicMs();
    const sinceMs = nowMs - (this.#hardwareTriedMs ?? -Infinity);
    if (sinceMs < HARDWARE_INTERVAL_MS) return;
    this.#hardwareTriedMs = nowMs;
    const { log, node, onOutcome } = this.#options;
    try {
      await this.#apply(HARDWARE_FIELD_MANAGER, { hardware }, signal);
      onOutcome('hardwareWritten');
      log.info('hardware inventory written', { node, hash: hardware.hash });
    } catch (error) {
      // The figures above are more urgent: a refused inventory must not slow them down.
      if (signal.aborted) return;
      onOutcome('failed');
      log.warn('hardware inventory not written', { node, error });
    }
  }

  #apply(
    fieldManager: string,
    status: NonNullable<AgentObject['status']>,
    signal: AbortSignal,
  ): Promise<AgentObject> {
    const { kube, node } = this.#options;
    const body = { apiVersion: API_VERSION, kind: 'Agent', metadata: { name: node }, status };
    return kube.patch<AgentObject>(AGENTS, { name: node }, 'apply', body, {
      subresource: 'status',
      fieldManager,
      force: true,
      signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
    });
  }

  #noteFailure(error: unknown): void {
    const { backoff, log, node, onOutcome } = this.#options;
    const retryInMs = backoff.failed(isKubeError(error) ? error.retryAfterMs : undefined);
    if (isKubeError(error, 'notFound')) {
      onOutcome('absent');
      log.debug('the Agent object is not there yet; the operator makes it', { node, retryInMs });
      return;
    }
    onOutcome('failed');
    log.warn('status of the Agent object not written', { node, error, retryInMs });
  }
}
