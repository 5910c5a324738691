/** What the operator counts while it works. Gauges of the present state are read from `Views` at scrape time instead. */
export interface Metrics {
  allocationCycle(durationMs: number, offers: number): void;
  offer(
    event: 'sent' | 'accepted' | 'declined' | 'rescinded' | 'expired',
    framework: string,
    count: number,
  ): void;
  /** How long an offer stood, and how it ended. */
  offerAge(end: string, ageMs: number): void;
  /** Age of the oldest offer that stands; zero without any. Told with each cycle. */
  oldestOffer(ageMs: number): void;
  /** An offer was taken back for this reason. */
  rescind(reason: string): void;
  /** A framework that does not answer its offers gets none for a while. */
  backOff(framework: string): void;
  launch(outcome: 'created' | 'failed' | 'stopped'): void;
  preemption(phase: 'Intended' | 'Completed' | 'Abandoned'): void;
  reconcile(controller: string, outcome: 'ok' | 'error', durationMs: number): void;
  kubeRequest(verb: string, resource: string, code: string, durationMs: number): void;
  watchRestart(kind: string, why: string): void;
  poisonObject(kind: string): void;
  ledgerDrift(): void;
  nodeRefusal(reason: string): void;
  /** A task was seen in a state that its former one does not lead to. */
  illegalTransition(from: string, to: string): void;
}
