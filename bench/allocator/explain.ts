import { frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import { type BenchCluster, quantile, timed } from './cluster.ts';
import { round } from './result.ts';

/** What asking costs: see `ExplainMeter`. */
export interface ExplainCost {
  /** Every so many-th framework was asked about. */
  readonly every: number;
  /** Median of the runs right after explanations were asked for, by that of the runs nobody asked before. */
  readonly runRatio: number;
  /** The same with the time of the explanations themselves in it. */
  readonly withAsksRatio: number;
  /** One explanation: all checks over all agents for one framework. */
  readonly askMs: number;
}

/**
 * Explanations on and off inside one run of the benchmark, in turns, so that what else the machine does falls on both.
 *
 * Before every second round each `every`-th framework is asked why it was not offered what; the rounds between are as if
 * nobody knew how to ask.
 */
export class ExplainMeter {
  readonly #every: number;
  readonly #off: number[] = [];
  readonly #on: number[] = [];
  readonly #asks: number[] = [];
  readonly #sums: number[] = [];

  constructor(every: number) {
    this.#every = every;
  }

  /** `run`: carries out one run and says how long it took. */
  round(cluster: BenchCluster, frameworks: number, run: () => number): number {
    if (this.#off.length <= this.#on.length) {
      const tookMs = run();
      this.#off.push(tookMs);
      return tookMs;
    }
    let asks = 0;
    const askedMs = timed(() => {
      for (let at = 0; at < frameworks; at += this.#every, asks++)
        cluster.engine.why(frameworkId(`framework-${at}`), rolePath('*'));
    });
    const tookMs = run();
    this.#on.push(tookMs);
    this.#asks.push(askedMs / asks);
    this.#sums.push(askedMs + tookMs);
    return tookMs;
  }

  result(): ExplainCost {
    const off = quantile(this.#off, 0.5);
    return {
      every: this.#every,
      runRatio: round(quantile(this.#on, 0.5) / off),
      withAsksRatio: round(quantile(this.#sums, 0.5) / off),
      askMs: round(quantile(this.#asks, 0.5)),
    };
  }
}
