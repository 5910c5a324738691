import type { CancelTimer, Clock } from '../../ports/clock.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { type Drift, driftOfAmounts, driftOfPods, stillThere } from './decideLedgerDrift.ts';
import type { Ledger } from './ledger.ts';

export interface LedgerAuditOptions {
  readonly kube: Pick<KubeApi, 'list'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'ledgerDrift'>;
  /** What the caches hold. */
  readonly pods: () => readonly Pod[];
  /** What the allocator would count of the same Pods. */
  readonly ledgerOf: (pods: readonly Pod[]) => Ledger;
  /** What the allocator's own ledger, which is told of changes only, has wrong; it is mended by then. */
  readonly allocator: () => Promise<readonly string[]>;
  /** Makes the cache of Pods equal to a fresh list. */
  readonly relist: () => Promise<unknown>;
}

export interface LedgerAudit {
  start(): void;
  stop(): void;
  /** One audit, to its end; resolves with what was found wrong. */
  look(): Promise<readonly Drift[]>;
}

const EVERY_MS = 60_000;
/** A large cluster is listed less often: about this many Pods a second. */
const PODS_PER_SECOND = 100;
/** News of a change take less than this; what differs for longer is wrong. */
const CONFIRM_MS = 10_000;
const PAGE = 500;
/** Differences written to the log one by one. */
const LOGGED = 20;

/** Compares the ledger with the Pods now and then: a difference is a bug that is counted, logged and mended. */
export function createLedgerAudit(options: LedgerAuditOptions): LedgerAudit {
  return new Audit(options);
}

class Audit implements LedgerAudit {
  readonly #options: LedgerAuditOptions;
  #stopping = new AbortController();
  #timer: CancelTimer = () => undefined;

  constructor(options: LedgerAuditOptions) {
    this.#options = options;
  }

  start(): void {
    const { pods, log } = this.#options;
    const delayMs = Math.max(EVERY_MS, (pods().length / PODS_PER_SECOND) * 1000);
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.look().then(
        () => this.#again(),
        (error: unknown) => {
          if (this.#stopping.signal.aborted) return;
          log.warn('the ledger could not be audited', { error });
          this.#again();
        },
      );
    });
  }

  stop(): void {
    this.#stopping.abort(new Error('the audit was stopped'));
    this.#timer();
  }

  async look(): Promise<readonly Drift[]> {
    const { pods, ledgerOf, allocator } = this.#options;
    const missed = (await allocator()).map((message) => ({ kind: 'ledger' as const, message }));
    const held = pods();
    const amounts = driftOfAmounts(held, ledgerOf(held));
    const suspects = driftOfPods(await this.#list(), pods());
    const confirmed = suspects.length === 0 ? [] : await this.#confirm(suspects);
    const drifts = [...missed, ...amounts, ...confirmed];
    this.#tell(drifts);
    if (confirmed.length > 0) await this.#options.relist();
    return drifts;
  }

  #again(): void {
    if (!this.#stopping.signal.aborted) this.start();
  }

  async #confirm(suspects: readonly Drift[]): Promise<readonly Drift[]> {
    await new Promise<void>((resolve) => {
      this.#timer = this.#options.clock.setTimer(CONFIRM_MS, resolve);
    });
    if (this.#stopping.signal.aborted) return [];
    return stillThere(suspects, driftOfPods(await this.#list(), this.#options.pods()));
  }

  async #list(): Promise<readonly Pod[]> {
    const listed: Pod[] = [];
    let continueToken: string | undefined;
    do {
      const page = await this.#options.kube.list<Pod>(
        PODS,
        { limit: PAGE, ...(continueToken === undefined ? {} : { continueToken }) },
        this.#stopping.signal,
      );
      listed.push(...page.items);
      continueToken = page.continueToken;
    } while (continueToken !== undefined && continueToken !== '');
    return listed;
  }

  #tell(drifts: readonly Drift[]): void {
    const { metrics, log } = this.#options;
    for (const [index, { kind, ...drift }] of drifts.entries()) {
      metrics.ledgerDrift();
      if (index >= LOGGED) continue;
      log.error('LedgerDrift: the ledger differs from the Pods', { drift: kind, ...drift });
    }
    if (drifts.length > LOGGED)
      log.error('LedgerDrift: more differences', { unlisted: drifts.length - LOGGED });
  }
}
