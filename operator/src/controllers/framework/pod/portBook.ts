import type { AgentId, FrameworkId, OfferId } from '../../../model/ids.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Container, Pod } from '../../../schema/kubeObjects.ts';
import type { WireOffer } from '../../../schema/mesos/event.ts';
import { hasPodEnded } from './containerFacts.ts';
import type { PortRange } from './podConfig.ts';
import { PORTS } from './ports.ts';

export interface PortBookOptions {
  /** Ports of every agent that are offered; they must be nobody else's, so not those of NodePort services. */
  readonly range: PortRange | undefined;
  readonly clock: Clock;
  /** Every Pod on the agent, foreign ones included. */
  readonly podsOn: (agent: AgentId) => readonly Pod[];
  readonly isOutstanding: (framework: FrameworkId, offer: OfferId) => boolean;
}

interface Given {
  readonly framework: FrameworkId;
  readonly offer: OfferId;
  readonly agent: AgentId;
  readonly ranges: readonly PortRange[];
}

interface Held {
  readonly ports: ReadonlySet<number>;
  readonly untilMs: number;
}

/** Longest time from an accepted launch to the first sight of its Pod. */
const HOLD_MS = 60_000;

/** Ports that the tasks of one ACCEPT call may take. */
export interface OpenPorts {
  ranges(): readonly PortRange[];
  /** The ports this Pod takes are not open to the next. */
  claim(pod: Pod): void;
  /** The call was accepted: what has been claimed is held until the Pods are seen. */
  keep(agent: AgentId): void;
}

/**
 * Which ports of an agent are offered to whom: as in Mesos, an offer holds all that are free, and no port is in two
 * offers. Kept in memory only, as offers are; what runs is read from the Pods.
 */
export class PortBook {
  readonly #options: PortBookOptions;
  readonly #given = new Map<OfferId, Given>();
  readonly #givenOn = new Map<AgentId, readonly Given[]>();
  readonly #held = new Map<AgentId, Held[]>();

  constructor(options: PortBookOptions) {
    this.#options = options;
  }

  /** The offer with the free ports of its agent among its resources. */
  onto(wire: WireOffer, framework: FrameworkId, offer: { id: OfferId; agent: AgentId }): WireOffer {
    const ranges = this.#freeOn(offer.agent);
    if (ranges.length === 0) return wire;
    const given: Given = { framework, offer: offer.id, agent: offer.agent, ranges };
    this.#given.set(offer.id, given);
    this.#givenOn.set(offer.agent, [...(this.#givenOn.get(offer.agent) ?? []), given]);
    const hasRoles = wire.resources.some((one) => one.role !== undefined);
    const { allocation_info } = wire;
    const resource = {
      name: PORTS,
      type: 'RANGES',
      ranges: { range: ranges },
      ...(hasRoles ? { role: '*' } : {}),
      ...(allocation_info === undefined ? {} : { allocation_info }),
    } as const;
    return { ...wire, resources: [...wire.resources, resource] };
  }

  open(offers: readonly OfferId[]): OpenPorts {
    const ranges = offers.flatMap((one) => this.#given.get(one)?.ranges ?? []);
    const claimed = new Set<number>();
    return {
      ranges: () => without(ranges, claimed),
      claim: (pod) => {
        for (const port of hostPortsOf(pod)) claimed.add(port);
      },
      keep: (agent) => {
        // They have ended: the next look at the agent forgets them.
        for (const one of offers) this.#given.delete(one);
        if (claimed.size === 0) return;
        const untilMs = this.#options.clock.monotonicMs() + HOLD_MS;
        this.#held.set(agent, [...(this.#held.get(agent) ?? []), { ports: claimed, untilMs }]);
      },
    };
  }

  #freeOn(agent: AgentId): readonly PortRange[] {
    const { range, podsOn, isOutstanding, clock } = this.#options;
    if (range === undefined) return [];
    let free: readonly PortRange[] = [range];
    const open = (this.#givenOn.get(agent) ?? []).filter(
      (one) => this.#given.has(one.offer) && isOutstanding(one.framework, one.offer),
    );
    for (const { offer } of this.#givenOn.get(agent) ?? []) this.#given.delete(offer);
    for (const one of open) {
      this.#given.set(one.offer, one);
      free = minus(free, one.ranges);
    }
    if (open.length === 0) this.#givenOn.delete(agent);
    else this.#givenOn.set(agent, open);
    const nowMs = clock.monotonicMs();
    const held = (this.#held.get(agent) ?? []).filter((one) => one.untilMs > nowMs);
    if (held.length === 0) this.#held.delete(agent);
    else this.#held.set(agent, held);
    const taken = new Set(held.flatMap((one) => [...one.ports]));
    for (const pod of podsOn(agent)) for (const port of hostPortsOf(pod)) taken.add(port);
    return without(free, taken);
  }
}

/** Ports of the node that a Pod takes; none once it has ended. */
function hostPortsOf(pod: Pod): readonly number[] {
  if (hasPodEnded(pod)) return [];
  const containers: readonly Container[] = [
    ...pod.spec.containers,
    ...(pod.spec.initContainers ?? []),
  ];
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, containerPort }) =>
      pod.spec.hostNetwork === true ? [containerPort] : (hostPort ?? []),
    ),
  );
}

/** The ranges without these ports, in order. */
function without(ranges: readonly PortRange[], ports: ReadonlySet<number>): readonly PortRange[] {
  const single = [...ports].toSorted((left, right) => left - right);
  return minus(
    ranges,
    single.map((port) => ({ begin: port, end: port })),
  );
}

function minus(ranges: readonly PortRange[], cuts: readonly PortRange[]): readonly PortRange[] {
  let left = ranges;
  for (const cut of cuts) {
    left = left.flatMap(({ begin, end }) =>
      cut.end < begin || cut.begin > end
        ? [{ begin, end }]
        : [
            ...(cut.begin > begin ? [{ begin, end: cut.begin - 1 }] : []),
            ...(cut.end < end ? [{ begin: cut.end + 1, end }] : []),
          ],
    );
  }
  return left;
}
