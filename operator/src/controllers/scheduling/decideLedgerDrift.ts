import { ANNOTATION } from '../../model/labels.ts';
import type { Container, Pod } from '../../schema/kubeObjects.ts';
import { formatQuantity, parseQuantity } from '../../schema/quantity.ts';
import { REVOCABLE_CPU, REVOCABLE_MEMORY } from '../task/taskView.ts';
import type { Ledger } from './ledger.ts';

/**
 * The ledger computed a second time, by other code and from the Pods as the server wrote them: what the allocator
 * believes rests on caches, remembered views and indexes, and each of them can be wrong.
 */

/** One thing the ledger has wrong. */
export type Drift =
  /** A Pod of the server that the cache does not have, or has in an older version. */
  | { readonly kind: 'missing' | 'outdated'; readonly pod: string; readonly version: string }
  /** A Pod of the cache that the server does not have. */
  | { readonly kind: 'phantom'; readonly pod: string; readonly version: string }
  /** The ledger counts another amount on an agent than its Pods ask for. */
  | { readonly kind: 'amounts'; readonly agent: string; readonly message: string }
  /** What the allocator was told is not what is so, or its sums are wrong. */
  | { readonly kind: 'ledger'; readonly message: string };

type Sums = Map<string, Map<string, number>>;

/** The difference between what the ledger counts on each agent and what the same Pods ask for. */
export function driftOfAmounts(pods: readonly Pod[], ledger: Ledger): readonly Drift[] {
  const counted: Sums = new Map();
  for (const task of ledger.tasks) {
    for (const name in task.resources) credit(counted, task.agent, name, task.resources[name] ?? 0);
    credit(counted, task.agent, REVOCABLE_CPU, task.revocable['cpus'] ?? 0);
    credit(counted, task.agent, REVOCABLE_MEMORY, task.revocable['mem'] ?? 0);
  }
  for (const [agent, amounts] of ledger.foreign)
    for (const name in amounts) credit(counted, agent, name, unitsOf(name, amounts[name] ?? 0));
  const asked: Sums = new Map();
  for (const pod of pods) if (takesCapacity(pod)) creditPod(asked, pod);
  const agents = [...new Set([...counted.keys(), ...asked.keys()])].toSorted();
  return agents.flatMap((agent) => differenceOn(agent, counted.get(agent), asked.get(agent)));
}

/** Pods that the cache and the server have in different versions. What changes now differs too, for a moment. */
export function driftOfPods(listed: readonly Pod[], cached: readonly Pod[]): readonly Drift[] {
  const versions = new Map(cached.map((pod) => [keyOf(pod), versionOf(pod)]));
  const drifts: Drift[] = [];
  const known = new Set<string>();
  for (const one of listed) {
    const [pod, version] = [keyOf(one), versionOf(one)];
    known.add(pod);
    const held = versions.get(pod);
    if (held === undefined) drifts.push({ kind: 'missing', pod, version });
    else if (held !== version) drifts.push({ kind: 'outdated', pod, version });
  }
  for (const [pod, version] of versions)
    if (!known.has(pod)) drifts.push({ kind: 'phantom', pod, version });
  return drifts;
}

/** Differences that are the same at two looks: no news on the way explains those. */
export function stillThere(former: readonly Drift[], now: readonly Drift[]): readonly Drift[] {
  const seen = new Set(former.map(idOf));
  return now.filter((drift) => seen.has(idOf(drift)));
}

function idOf(drift: Drift): string {
  switch (drift.kind) {
    case 'amounts':
      return `amounts ${drift.agent} ${drift.message}`;
    case 'ledger':
      return `ledger ${drift.message}`;
    default:
      return `${drift.kind} ${drift.pod} ${drift.version}`;
  }
}

const keyOf = ({ metadata }: Pod): string =>
  `${metadata.namespace ?? ''}/${metadata.name} ${metadata.uid ?? ''}`;
const versionOf = ({ metadata }: Pod): string => metadata.resourceVersion ?? '';

const takesCapacity = ({ spec, status }: Pod): boolean =>
  spec.nodeName !== undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';

function creditPod(sums: Sums, pod: Pod): void {
  const agent = pod.spec.nodeName ?? '';
  const asked = new Map<string, number>();
  const inits = pod.spec.initContainers ?? [];
  const sidecars = inits.filter((one) => one.restartPolicy === 'Always');
  const names = new Set(
    [...pod.spec.containers, ...inits].flatMap((one) => [
      ...Object.keys(one.resources?.requests ?? {}),
      ...Object.keys(one.resources?.limits ?? {}),
    ]),
  );
  for (const name of names) {
    const running = total([...pod.spec.containers, ...sidecars], name);
    let most = running;
    for (const [index, init] of inits.entries()) {
      if (init.restartPolicy === 'Always') continue;
      const before = inits.slice(0, index).filter((one) => one.restartPolicy === 'Always');
      most = Math.max(most, total([...before, init], name));
    }
    asked.set(name, most);
  }
  for (const [name, text] of Object.entries(pod.spec.overhead ?? {}))
    asked.set(name, (asked.get(name) ?? 0) + amountOf(name, text));
  for (const [name, amount] of asked) credit(sums, agent, modelName(name), amount);
  for (const [name, text] of annotatedAmounts(pod))
    credit(sums, agent, name, parseQuantity(name, text) ?? 0);
}

const total = (containers: readonly Container[], name: string): number =>
  containers.reduce((sum, { resources }) => {
    const text = resources?.requests?.[name] ?? resources?.limits?.[name];
    return sum + (text === undefined ? 0 : amountOf(name, text));
  }, 0);

/** What a revocable task holds beside what it borrows; its Pod cannot name it. */
function annotatedAmounts({ metadata }: Pod): readonly (readonly [string, string])[] {
  const text =
    metadata.labels?.['mezzo.dev/framework'] && metadata.annotations?.[ANNOTATION.resources];
  if (text === undefined || text === '') return [];
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? Object.entries(value) : [];
  } catch {
    return [];
  }
}

const MODEL_NAMES: { readonly [kube: string]: string } = {
  cpu: 'cpus',
  memory: 'mem',
  'ephemeral-storage': 'disk',
  'nvidia.com/gpu': 'gpus',
};
const modelName = (name: string): string => MODEL_NAMES[name] ?? name;
const amountOf = (name: string, text: string): number =>
  unitsOf(name, parseQuantity(modelName(name), text) ?? 0);
/** Revocable capacity is counted in whole milli-CPUs and bytes, other extended resources in thousandths. */
const unitsOf = (name: string, amount: number): number =>
  name === REVOCABLE_CPU || name === REVOCABLE_MEMORY ? amount / 1000 : amount;

function credit(sums: Sums, agent: string, name: string, amount: number): void {
  const row = sums.get(agent) ?? new Map<string, number>();
  row.set(name, (row.get(name) ?? 0) + amount);
  sums.set(agent, row);
}

function differenceOn(
  agent: string,
  counted: ReadonlyMap<string, number> = new Map(),
  asked: ReadonlyMap<string, number> = new Map(),
): readonly Drift[] {
  const names = [...new Set([...counted.keys(), ...asked.keys()])].toSorted();
  const parts = names
    .filter((name) => (counted.get(name) ?? 0) !== (asked.get(name) ?? 0))
    .map((name) => {
      const [has, should] = [counted.get(name) ?? 0, asked.get(name) ?? 0];
      return `${name} is ${formatQuantity(name, has)}, its Pods ask for ${formatQuantity(name, should)}`;
    });
  return parts.length === 0 ? [] : [{ kind: 'amounts', agent, message: parts.join('; ') }];
}
