import type { AllocatorFramework } from '../../allocator/types.ts';
import { type FrameworkId, JOBS_FRAMEWORK, type RolePath } from '../../model/ids.ts';
import type { Tier } from '../../model/job.ts';
import type { FrameworkCallbacks, FrameworkRegistration } from './types.ts';

/** Jobs name their tier; a task of an external framework is of one or the other, by what it uses. */
const TIERS_OF_FRAMEWORKS: readonly Tier[] = ['production', 'revocable'];

interface Member {
  registration: FrameworkRegistration;
  readonly callbacks: FrameworkCallbacks;
  suppressed: Set<RolePath>;
}

/** The frameworks that are connected now. */
export class Members {
  readonly #members = new Map<FrameworkId, Member>();
  #touched = new Set<FrameworkId>();

  /** Frameworks that came, changed or left since this was called last. */
  takeTouched(): ReadonlySet<FrameworkId> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  /** Something the allocator is told of a framework changed elsewhere. */
  touch(framework: FrameworkId): void {
    this.#touched.add(framework);
  }

  add(registration: FrameworkRegistration, callbacks: FrameworkCallbacks): void {
    const suppressed = new Set(registration.suppressedRoles);
    this.#members.set(registration.id, { registration, callbacks, suppressed });
    this.touch(registration.id);
  }

  /** Returns the roles that are no longer suppressed; undefined when the framework is not connected. */
  replace(registration: FrameworkRegistration): ReadonlySet<RolePath> | undefined {
    const member = this.#members.get(registration.id);
    if (member === undefined) return undefined;
    const before = [...member.suppressed];
    member.registration = registration;
    member.suppressed = new Set(registration.suppressedRoles);
    this.touch(registration.id);
    return new Set(before.filter((role) => !member.suppressed.has(role)));
  }

  remove(framework: FrameworkId): void {
    this.#members.delete(framework);
    this.touch(framework);
  }

  callbacks(framework: FrameworkId): FrameworkCallbacks | undefined {
    return this.#members.get(framework)?.callbacks;
  }

  suppress(framework: FrameworkId, roles: readonly RolePath[]): void {
    for (const role of this.#rolesMeant(framework, roles))
      this.#members.get(framework)?.suppressed.add(role);
    this.touch(framework);
  }

  /** Returns the roles that are offered again. */
  revive(framework: FrameworkId, roles: readonly RolePath[]): ReadonlySet<RolePath> {
    const revived = new Set(this.#rolesMeant(framework, roles));
    for (const role of revived) this.#members.get(framework)?.suppressed.delete(role);
    this.touch(framework);
    return revived;
  }

  /** False when the framework has left, or wants no offers in the role any more. */
  wants(framework: FrameworkId, role: RolePath): boolean {
    const member = this.#members.get(framework);
    return member?.registration.roles.includes(role) === true && !member.suppressed.has(role);
  }

  ids(): Iterable<FrameworkId> {
    return this.#members.keys();
  }

  /** As the allocator sees it; a backed off one is offered nothing for now. Undefined: it is not connected. */
  forAllocator(id: FrameworkId, isBackedOff: boolean): AllocatorFramework | undefined {
    const member = this.#members.get(id);
    if (member === undefined) return undefined;
    const { registration, suppressed } = member;
    return {
      id,
      roles: registration.roles,
      suppressedRoles: [...suppressed],
      active: !isBackedOff,
      capabilities: registration.capabilities,
      ...(id === JOBS_FRAMEWORK ? {} : { tiers: TIERS_OF_FRAMEWORKS }),
      ...(registration.minAllocatableByRole === undefined
        ? {}
        : { minAllocatableByRole: registration.minAllocatableByRole }),
      ...(registration.constraints === undefined ? {} : { constraints: registration.constraints }),
    };
  }

  /** A call that names a role the framework does not have is dropped whole. Source: Mesos `Master::suppress`. */
  #rolesMeant(framework: FrameworkId, roles: readonly RolePath[]): readonly RolePath[] {
    const own = this.#members.get(framework)?.registration.roles ?? [];
    if (roles.some((role) => !own.includes(role))) return [];
    return roles.length === 0 ? own : roles;
  }
}
