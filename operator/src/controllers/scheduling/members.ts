import type { AllocatorFramework } from '../../allocator/types.ts';
import type { FrameworkId, RolePath } from '../../model/ids.ts';
import type { FrameworkCallbacks, FrameworkRegistration } from './types.ts';

interface Member {
  registration: FrameworkRegistration;
  readonly callbacks: FrameworkCallbacks;
  suppressed: Set<RolePath>;
}

/** The frameworks that are connected now. */
export class Members {
  readonly #members = new Map<FrameworkId, Member>();

  add(registration: FrameworkRegistration, callbacks: FrameworkCallbacks): void {
    const suppressed = new Set(registration.suppressedRoles);
    this.#members.set(registration.id, { registration, callbacks, suppressed });
  }

  /** False when the framework is not connected. */
  replace(registration: FrameworkRegistration): boolean {
    const member = this.#members.get(registration.id);
    if (member === undefined) return false;
    member.registration = registration;
    member.suppressed = new Set(registration.suppressedRoles);
    return true;
  }

  remove(framework: FrameworkId): void {
    this.#members.delete(framework);
  }

  callbacks(framework: FrameworkId): FrameworkCallbacks | undefined {
    return this.#members.get(framework)?.callbacks;
  }

  suppress(framework: FrameworkId, roles: readonly RolePath[]): void {
    for (const role of this.#rolesMeant(framework, roles))
      this.#members.get(framework)?.suppressed.add(role);
  }

  /** Returns the roles that are offered again. */
  revive(framework: FrameworkId, roles: readonly RolePath[]): ReadonlySet<RolePath> {
    const revived = new Set(this.#rolesMeant(framework, roles));
    for (const role of revived) this.#members.get(framework)?.suppressed.delete(role);
    return revived;
  }

  /** As the allocator sees them; `isBackedOff` ones are offered nothing for now. */
  forAllocator(isBackedOff: (framework: FrameworkId) => boolean): readonly AllocatorFramework[] {
    return [...this.#members.values()].map(({ registration, suppressed }) => ({
      id: registration.id,
      roles: registration.roles,
      suppressedRoles: [...suppressed],
      active: !isBackedOff(registration.id),
      capabilities: registration.capabilities,
      ...(registration.minAllocatableByRole === undefined
        ? {}
        : { minAllocatableByRole: registration.minAllocatableByRole }),
      ...(registration.constraints === undefined ? {} : { constraints: registration.constraints }),
    }));
  }

  /** A call that names a role the framework does not have is dropped whole. Source: Mesos `Master::suppress`. */
  #rolesMeant(framework: FrameworkId, roles: readonly RolePath[]): readonly RolePath[] {
    const own = this.#members.get(framework)?.registration.roles ?? [];
    if (roles.some((role) => !own.includes(role))) return [];
    return roles.length === 0 ? own : roles;
  }
}
