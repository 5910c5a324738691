import { TIERS } from '../../model/job.ts';
import { parentPath } from '../rolePaths.ts';
import type { AllocatorFramework, RoleSpec } from '../types.ts';
import type { FrameworkRecord } from './clientTable.ts';
import type { Core } from './core.ts';
import { enterFrameworkFields } from './frameworkEvents.ts';
import { setTierLimits } from './tierEvents.ts';

/** What a framework can handle beside what it says itself. */
const ALWAYS = ['MULTI_ROLE', 'RESERVATION_REFINEMENT', 'REGION_AWARE'];

/** Makes room for the names of a role's quota. */
export function admitRole(core: Core, role: RoleSpec): void {
  const { space } = core.ledger;
  space.admit(role.guarantees);
  space.admit(role.limits);
  for (const tier of TIERS) space.admit(role.tierLimits?.[tier]);
}

/** Sets the policy of a role. A new one is kept until `dropRole`, in use or not. */
export function putRole(core: Core, spec: RoleSpec, isNew: boolean): void {
  const { ledger } = core;
  const role = isNew ? ledger.acquireRole(spec.path) : (ledger.roles.find(spec.path) as number);
  ledger.roles.shares.weightMilli[role] = spec.weightMilli;
  ledger.roles.isRandom[role] = spec.sorter === 'random' ? 1 : 0;
  ledger.roles.touch(role);
  setQuota(core, role, spec);
}

/** Ends the policy of a role: it is as any other then, and forgotten when nobody uses it. */
export function dropRole(core: Core, path: RoleSpec['path']): void {
  const { ledger } = core;
  const role = ledger.roles.find(path);
  if (role === undefined) return;
  putRole(core, { path, weightMilli: 1000, guarantees: {}, limits: {} }, false);
  // While its row is its own: it may be closed by the limit it no longer has.
  ledger.settleClosed();
  ledger.releaseRole(role);
}

function setQuota(core: Core, role: number, spec: RoleSpec): void {
  const { ledger } = core;
  const { space } = ledger;
  if (!core.isMezzo && parentPath(spec.path) !== undefined) return;
  const guarantees = new Float64Array(space.stride);
  const limits = new Float64Array(space.stride);
  space.read(spec.guarantees, guarantees, 0);
  space.read(spec.limits, limits, 0, Number.POSITIVE_INFINITY);
  ledger.quota.set(role, guarantees, limits);
  setTierLimits(core, role, spec.tierLimits);
  ledger.noteLimits(role);
}

/** Makes a framework known as given; what it has is not touched. */
export function putFramework(core: Core, framework: AllocatorFramework): void {
  const record = core.ledger.frameworks.get(framework.id) ?? core.openFramework(framework.id);
  const dropped = record.roles.filter(
    (role) => !(framework.roles as readonly string[]).includes(role),
  );
  record.known = true;
  record.active = framework.active;
  const { capabilities } = framework;
  enterFrameworkFields(core, record, {
    kind: 'addFramework',
    id: framework.id,
    roles: framework.roles,
    suppressed: framework.suppressedRoles,
    capabilities: [
      ...ALWAYS,
      ...(capabilities.revocable ? ['REVOCABLE_RESOURCES'] : []),
      ...(capabilities.gpu ? ['GPU_RESOURCES'] : []),
      ...(capabilities.shared === true ? ['SHARED_RESOURCES'] : []),
    ],
    // Given in any case: what is left out would stay as it was.
    minAllocatable: framework.minAllocatable ?? core.options.minAllocatable,
    minAllocatableByRole: framework.minAllocatableByRole ?? {},
    tiers: framework.tiers ?? TIERS,
    constraints: framework.constraints ?? {},
  });
  for (const role of dropped) forgetCount(core, record, role);
}

/** A framework that is gone: what its tasks hold still counts, what it refused or was allocated before does not. */
export function dropFramework(core: Core, id: AllocatorFramework['id']): void {
  const { ledger } = core;
  const record = ledger.frameworks.get(id);
  if (record === undefined) return;
  record.known = false;
  record.active = false;
  record.roles = [];
  record.suppressed.clear();
  for (const [role, client] of Array.from(record.clients)) {
    ledger.filters.removeOfClient(client);
    forgetCount(core, record, role);
    core.setEligible(client);
    core.maybeForget(client);
  }
  if (record.clients.size === 0) ledger.frameworks.delete(id);
}

/** How often it was allocated something counts only as long as it takes part in the role. */
function forgetCount(core: Core, record: FrameworkRecord, role: string): void {
  const client = record.clients.get(role);
  if (client === undefined) return;
  core.ledger.addCount(client, -(core.ledger.clients.shares.count[client] as number));
}
