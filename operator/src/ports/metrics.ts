/** What the operator counts while it works. Gauges of the present state are read from `Views` at scrape time instead. */
export interface Metrics {
  allocationCycle(durationMs: number, offers: number): void;
  offer(
    event: 'sent' | 'accepted' | 'declined' | 'rescinded' | 'expired',
    framework: string,
    count: number,
  ): void;
  launch(outcome: 'created' | 'failed' | 'stopped'): void;
  preemption(phase: 'Intended' | 'Completed' | 'Abandoned'): void;
  reconcile(controller: string, outcome: 'ok' | 'error', durationMs: number): void;
  kubeRequest(verb: string, resource: string, code: string, durationMs: number): void;
  watchRestart(kind: string, why: string): void;
  poisonObject(kind: string): void;
  ledgerDrift(): void;
  nodeRefusal(reason: string): void;
}
