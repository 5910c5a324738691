import { ANNOTATION, LABEL } from '../../operator/src/model/labels.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import { parseQuantity } from '../../operator/src/schema/quantity.ts';

/** What the simulation reads from Pods; on purpose not the operator's own reading of them. */

export interface Amounts {
  readonly cpuMillis: number;
  readonly memBytes: number;
}

export const NOTHING: Amounts = { cpuMillis: 0, memBytes: 0 };

export const plus = (left: Amounts, right: Amounts): Amounts => ({
  cpuMillis: left.cpuMillis + right.cpuMillis,
  memBytes: left.memBytes + right.memBytes,
});

export const exceeds = (amounts: Amounts, limit: Partial<Amounts>): boolean =>
  amounts.cpuMillis > (limit.cpuMillis ?? Infinity) ||
  amounts.memBytes > (limit.memBytes ?? Infinity);

export const show = ({ cpuMillis, memBytes }: Partial<Amounts>): string =>
  `${cpuMillis ?? 'any'}m cpu, ${memBytes === undefined ? 'any' : Math.round(memBytes / 2 ** 20)} MiB`;

export function amountsOf(
  quantities: { readonly [name: string]: string | number } | undefined,
): Partial<Amounts> {
  const cpu = quantities?.['cpu'] ?? quantities?.['cpus'];
  const mem = quantities?.['memory'] ?? quantities?.['mem'];
  return {
    ...(cpu !== undefined && { cpuMillis: parseQuantity('cpus', cpu) ?? 0 }),
    ...(mem !== undefined && { memBytes: parseQuantity('mem', mem) ?? 0 }),
  };
}

const requests = new WeakMap<Pod['spec'], Amounts>();

export function requestsOf(pod: Pod): Amounts {
  const known = requests.get(pod.spec);
  if (known !== undefined) return known;
  const total = pod.spec.containers
    .map(({ resources }) => ({ ...NOTHING, ...amountsOf(resources?.requests) }))
    .reduce(plus, NOTHING);
  requests.set(pod.spec, total);
  return total;
}

export const isMezzo = ({ metadata }: Pod): boolean =>
  metadata.labels?.[LABEL.framework] !== undefined;

export const isTerminal = ({ status }: Pod): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed';

export const isLost = ({ metadata }: Pod): boolean =>
  metadata.annotations?.[ANNOTATION.lost] !== undefined;

/** `jobUid/instance`; undefined for Pods that are no instance of a job. */
export function slotOf({ metadata }: Pod): string | undefined {
  const uid = metadata.labels?.[LABEL.jobUid];
  return uid === undefined ? undefined : `${uid}/${metadata.labels?.[LABEL.instance] ?? '?'}`;
}

export const jobUidOf = ({ metadata }: Pod): string | undefined => metadata.labels?.[LABEL.jobUid];

/** The role path of a Pod, from its label: `eng.web` → `eng/web`. */
export const roleOf = ({ metadata }: Pod): string =>
  (metadata.labels?.[LABEL.role] ?? '').replaceAll('.', '/');

export const podKey = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;
