import type {
  AllocatorEvent,
  EngineOffer,
  OfferRef,
  Parts,
  PortRanges,
  ReservedPart,
  VolumePart,
} from '../../../operator/src/allocator/engine/types.ts';

/**
 * Amounts by sort and name: `u:cpus` unreserved, `s:a>a/b:cpus` reserved, `r:cpus` revocable; `u:#7` is port 7, `v:v1` the
 * volume v1.
 */
export type Flat = ReadonlyMap<string, number>;

export interface Holding extends OfferRef {
  readonly offered: Map<string, number>;
  readonly used: Map<string, number>;
}

interface AgentBook {
  readonly total: Map<string, number>;
}

interface FrameworkBook {
  roles: readonly string[];
  readonly suppressed: Set<string>;
  active: boolean;
  /** It refused something once: whether it still does is not kept here. */
  hasRefused: boolean;
}

interface QuotaBook {
  readonly guarantees: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
}

export function flatten(parts: Parts): Map<string, number> {
  const flat = new Map<string, number>();
  const put = (prefix: string, amounts: Readonly<Record<string, number>> | undefined): void => {
    for (const [name, amount] of Object.entries(amounts ?? {}))
      if (amount !== 0)
        flat.set(`${prefix}:${name}`, (flat.get(`${prefix}:${name}`) ?? 0) + amount);
  };
  const putPorts = (prefix: string, ranges: PortRanges | undefined): void => {
    for (const [first, last] of ranges ?? [])
      for (let port = first; port <= last; port++) flat.set(`${prefix}:#${port}`, 1);
  };
  put('u', parts.resources);
  putPorts('u', parts.ports);
  put('r', parts.revocable);
  for (const one of parts.reserved ?? []) {
    put(`s:${one.stack.join('>')}`, one.resources);
    putPorts(`s:${one.stack.join('>')}`, one.ports);
  }
  for (const { id, sizeBytes } of parts.volumes ?? []) flat.set(`v:${id}`, sizeBytes);
  return flat;
}

/** The other way round; keys of no amount are left out. */
export function partsOfFlat(flat: Flat): Parts {
  const resources: Record<string, number> = {};
  const ports: Record<string, (readonly [number, number])[]> = {};
  const revocable: Record<string, number> = {};
  const reserved = new Map<string, Record<string, number>>();
  const volumes: VolumePart[] = [];
  for (const [key, amount] of flat) {
    if (amount <= 0) continue;
    const [sort, ...rest] = key.split(':');
    const name = rest.at(-1) ?? '';
    if (name.startsWith('#')) {
      const port = Number(name.slice(1));
      const stack = sort === 'u' ? '' : (rest[0] ?? '');
      ports[stack] = [...(ports[stack] ?? []), [port, port]];
      if (stack !== '') reserved.set(stack, { ...reserved.get(stack) });
    } else if (sort === 'v') volumes.push({ id: name, sizeBytes: amount });
    else if (sort === 'u') resources[name] = amount;
    else if (sort === 'r') revocable[name] = amount;
    else {
      const stack = rest[0] ?? '';
      reserved.set(stack, { ...reserved.get(stack), [name]: amount });
    }
  }
  return {
    resources,
    ports: ports[''] ?? [],
    revocable,
    volumes,
    reserved: [...reserved].map(
      ([stack, amounts]) =>
        ({
          stack: stack.split('>'),
          resources: amounts,
          ports: ports[stack] ?? [],
        }) as unknown as ReservedPart,
    ),
  };
}

export function addTo(into: Map<string, number>, flat: Flat, sign: 1 | -1): void {
  for (const [key, amount] of flat) {
    const sum = (into.get(key) ?? 0) + sign * amount;
    if (sum === 0) into.delete(key);
    else into.set(key, sum);
  }
}

const isWithin = (path: string, role: string): boolean =>
  path === role || path.startsWith(`${role}/`);

/** A role and all above it, `a/b/c` first. */
export function lineage(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}

/**
 * An account of its own of what the allocator was told and what it decided, kept as simply as possible, to judge its
 * decisions by. Knows nothing of how the allocator works.
 */
export class Books {
  readonly agents = new Map<string, AgentBook>();
  readonly frameworks = new Map<string, FrameworkBook>();
  readonly quotas = new Map<string, QuotaBook>();
  readonly holdings = new Map<string, Holding>();
  /** The stack whose disk a volume was made of, by agent and id. */
  readonly volumes = new Map<string, readonly string[]>();

  /** Enters an event that the allocator accepted. */
  enter(event: AllocatorEvent): void {
    switch (event.kind) {
      case 'addAgent':
      case 'updateAgent':
      case 'removeAgent':
        return this.#enterAgent(event);
      case 'addFramework':
      case 'updateFramework':
      case 'removeFramework':
      case 'activate':
      case 'deactivate':
        return this.#enterFramework(event);
      case 'suppress':
      case 'revive':
        return this.#enterWish(event);
      case 'setQuota':
        this.quotas.set(event.role, event);
        return;
      case 'removeQuota':
        this.quotas.delete(event.role);
        return;
      case 'recover': {
        const framework = this.frameworks.get(event.framework);
        if (framework !== undefined && (event.refuseMs ?? 0) > 0) framework.hasRefused = true;
        return this.#recover(event, flatten(event.parts ?? {}));
      }
      case 'use':
        return this.#use(event, flatten(event.parts ?? {}));
      case 'reserve':
      case 'unreserve':
        return this.#reserve(event);
      case 'createVolume':
      case 'destroyVolume':
        return this.#reshape(event);
      default:
        return;
    }
  }

  #enterAgent(
    event: Extract<AllocatorEvent, { kind: 'addAgent' | 'updateAgent' | 'removeAgent' }>,
  ): void {
    if (event.kind === 'removeAgent') {
      this.agents.delete(event.id);
      this.#dropHoldings((one) => one.agent === event.id);
      for (const key of this.volumes.keys())
        if (key.startsWith(`${event.id} `)) this.volumes.delete(key);
      return;
    }
    const total = this.agents.get(event.id)?.total ?? new Map<string, number>();
    if (event.total !== undefined || event.ports !== undefined)
      replace(
        total,
        'u:',
        flatten({ resources: event.total ?? {}, ports: event.ports ?? portsOf(total) }),
      );
    if (event.revocable !== undefined)
      replace(total, 'r:', flatten({ revocable: event.revocable }));
    if (event.reserved !== undefined) replace(total, 's:', flatten({ reserved: event.reserved }));
    this.agents.set(event.id, { total });
  }

  #enterWish(event: Extract<AllocatorEvent, { kind: 'suppress' | 'revive' }>): void {
    const framework = this.frameworks.get(event.framework);
    for (const role of event.roles ?? framework?.roles ?? [])
      if (event.kind === 'suppress') framework?.suppressed.add(role);
      else framework?.suppressed.delete(role);
  }

  #enterFramework(
    event: Extract<
      AllocatorEvent,
      { kind: 'addFramework' | 'updateFramework' | 'removeFramework' | 'activate' | 'deactivate' }
    >,
  ): void {
    if (event.kind === 'removeFramework') {
      this.frameworks.delete(event.id);
      this.#dropHoldings((one) => one.framework === event.id);
    } else if (event.kind === 'addFramework')
      this.frameworks.set(event.id, {
        roles: event.roles ?? [],
        suppressed: new Set(event.suppressed),
        active: event.active ?? true,
        hasRefused: false,
      });
    else {
      const framework = this.frameworks.get(event.id);
      if (framework === undefined) return;
      if (event.kind === 'updateFramework') framework.roles = event.roles ?? framework.roles;
      else framework.active = event.kind === 'activate';
    }
  }

  /** Offers taken back: everything offered and not used there. */
  rescind(refs: readonly OfferRef[]): void {
    for (const ref of refs) this.#holding(ref).offered.clear();
  }

  enterOffer(offer: EngineOffer): void {
    addTo(this.#holding(offer).offered, flatten(offer), 1);
  }

  heldOn(agent: string): Flat {
    const sum = new Map<string, number>();
    for (const one of this.holdings.values())
      if (one.agent === agent) {
        addTo(sum, one.offered, 1);
        addTo(sum, one.used, 1);
      }
    return sum;
  }

  freeOn(agent: string): Flat {
    const free = new Map(this.agents.get(agent)?.total);
    addTo(free, this.heldOn(agent), -1);
    return free;
  }

  /** Reservations of the role's subtree, used or not, and what the subtree holds unreserved. */
  consumed(role: string, name: string): number {
    let sum = 0;
    for (const { total } of this.agents.values())
      for (const [key, amount] of total) {
        const [sort, stack = '', of] = key.split(':');
        const owner = stack.split('>').at(-1) ?? '';
        if (sort === 's' && of === name && isWithin(owner, role)) sum += amount;
      }
    for (const one of this.holdings.values())
      if (isWithin(one.role, role))
        sum += (one.offered.get(`u:${name}`) ?? 0) + (one.used.get(`u:${name}`) ?? 0);
    return sum;
  }

  #holding({ framework, role, agent }: OfferRef): Holding {
    const key = `${framework} ${role} ${agent}`;
    const known = this.holdings.get(key);
    if (known !== undefined) return known;
    const holding = { framework, role, agent, offered: new Map(), used: new Map() };
    this.holdings.set(key, holding);
    return holding;
  }

  #dropHoldings(isGone: (one: Holding) => boolean): void {
    for (const [key, one] of this.holdings) if (isGone(one)) this.holdings.delete(key);
  }

  /** What is given back is taken from the offered part first. */
  #recover(ref: OfferRef, flat: Flat): void {
    const { offered, used } = this.#holding(ref);
    for (const [key, amount] of flat) {
      const fromOffered = Math.min(amount, offered.get(key) ?? 0);
      addTo(offered, new Map([[key, fromOffered]]), -1);
      addTo(used, new Map([[key, amount - fromOffered]]), -1);
    }
  }

  #use(ref: OfferRef, flat: Flat): void {
    const { offered, used } = this.#holding(ref);
    addTo(offered, flat, -1);
    addTo(used, flat, 1);
  }

  /** Disk becomes a volume, or a volume disk again, in the agent's total and in what its holder holds. */
  #reshape(event: Extract<AllocatorEvent, { kind: 'createVolume' | 'destroyVolume' }>): void {
    const total = this.agents.get(event.agent)?.total;
    if (total === undefined) return;
    const key = `${event.agent} ${event.id}`;
    if (event.kind === 'createVolume') this.volumes.set(key, event.stack);
    const stack = (this.volumes.get(key) ?? []).join('>');
    const size =
      event.kind === 'createVolume' ? event.sizeBytes : (total.get(`v:${event.id}`) ?? 0);
    const sign = event.kind === 'createVolume' ? 1 : -1;
    const change = new Map([
      [`s:${stack}:disk`, -sign * size],
      [`v:${event.id}`, sign * size],
    ]);
    addTo(total, change, 1);
    if (event.framework === undefined || event.role === undefined) return;
    const { framework, role, agent } = { ...event, framework: event.framework, role: event.role };
    addTo(this.#holding({ framework, role, agent }).offered, change, 1);
  }

  /** What is reserved comes out of the reservation one level up, and goes back there. */
  #reserve(event: Extract<AllocatorEvent, { kind: 'reserve' | 'unreserve' }>): void {
    const { resources } = event;
    const inner = flatten({ reserved: [{ stack: event.stack, resources }] });
    const outer =
      event.stack.length === 1
        ? flatten({ resources })
        : flatten({ reserved: [{ stack: event.stack.slice(0, -1), resources }] });
    const [unreserved, reserved] = event.kind === 'reserve' ? [outer, inner] : [inner, outer];
    const total = this.agents.get(event.agent)?.total;
    if (total === undefined) return;
    addTo(total, unreserved, -1);
    addTo(total, reserved, 1);
    if (event.framework === undefined || event.role === undefined) return;
    const { offered } = this.#holding({
      framework: event.framework,
      role: event.role,
      agent: event.agent,
    });
    addTo(offered, unreserved, -1);
    addTo(offered, reserved, 1);
  }
}

function replace(total: Map<string, number>, prefix: string, by: Flat): void {
  for (const key of total.keys()) if (key.startsWith(prefix)) total.delete(key);
  addTo(total, by, 1);
}

function portsOf(total: Flat): PortRanges {
  return partsOfFlat(new Map([...total].filter(([key]) => key.startsWith('u:#')))).ports ?? [];
}
