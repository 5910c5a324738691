import type { Logger } from '../../../operator/src/ports/logger.ts';
import type { ReportSender } from '../ports/reportSender.ts';
import type { UsageSample } from '../usage/usageSample.ts';
import type { Backoff } from './backoff.ts';
import { buildReport } from './buildReport.ts';

export type ReportOutcome = 'accepted' | 'failed' | 'skipped';

export interface UsageReporterOptions {
  readonly node: string;
  readonly sender: ReportSender;
  readonly backoff: Backoff;
  readonly log: Logger;
  readonly onOutcome: (outcome: ReportOutcome) => void;
}

/**
 * Posts the newest sample, one at a time. A report that cannot be sent is dropped, not queued: the next one
 * says more.
 */
export class UsageReporter {
  readonly #options: UsageReporterOptions;
  #sending = false;

  constructor(options: UsageReporterOptions) {
    this.#options = options;
  }

  async offer(sample: UsageSample): Promise<void> {
    const { node, sender, backoff, log, onOutcome } = this.#options;
    const report = buildReport(node, sample);
    if (report === undefined) return;
    if (this.#sending || !backoff.ready) {
      onOutcome('skipped');
      return;
    }
    this.#sending = true;
    const outcome = await sender.send(report);
    this.#sending = false;
    onOutcome(outcome.kind);
    switch (outcome.kind) {
      case 'accepted':
        backoff.succeeded();
        break;
      case 'failed': {
        const delayMs = backoff.failed(outcome.retryAfterMs);
        log.warn('usage report not delivered', { reason: outcome.reason, retryInMs: delayMs });
        break;
      }
    }
  }
}
