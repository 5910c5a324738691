/** Requests the operator has sent to the API server, by verb and resource; refused ones with their code. */
export type Requests = ReadonlyMap<string, number>;

const LINE = /^mezzo_kube_requests_total\{verb="(.+?)",resource="(.+?)",code="(.+?)"\} (\d+)$/gm;

/** Reads them off the operator's metrics. */
export async function readRequests(metricsUrl: string): Promise<Requests> {
  const response = await fetch(`${metricsUrl}/metrics`, { signal: AbortSignal.timeout(30_000) });
  const requests = new Map<string, number>();
  for (const [, verb, resource, code, count] of (await response.text()).matchAll(LINE))
    requests.set(`${verb} ${resource}${code === 'ok' ? '' : ` ${code}`}`, Number(count));
  return requests;
}

/** What was sent between two readings, per task. */
export function requestsPerTask(
  before: Requests,
  after: Requests,
  tasks: number,
): Readonly<Record<string, number>> {
  const perTask: Record<string, number> = {};
  for (const [name, count] of after) {
    const sent = count - (before.get(name) ?? 0);
    if (sent > 0) perTask[name] = Math.round((sent * 1_000) / tasks) / 1_000;
  }
  return perTask;
}

/** Writes but those of the lease, which never end. */
export function writesIn(requests: Requests): number {
  let writes = 0;
  for (const [name, count] of requests)
    if (/^(?:create|update|patch|delete) (?!leases)/.test(name)) writes += count;
  return writes;
}
