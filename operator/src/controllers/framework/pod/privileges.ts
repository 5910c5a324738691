/**
 * What a task may do beyond the restricted Pod: nothing, unless its framework's principal holds the permission, and
 * then only as far as the API server admits the Pod when that principal creates it.
 */
export const PRIVILEGES = ['privileged', 'host-path', 'host-network', 'capabilities'] as const;
export type Privilege = (typeof PRIVILEGES)[number];

/** Resource of the permission: verb `use` on `taskprivileges.mezzo.dev`, the privilege as its name. */
export const PRIVILEGE_RESOURCE = 'taskprivileges';

export interface Privileges {
  has(privilege: Privilege): boolean;
}

/** Why the field is refused; undefined when the privilege is held. */
export function privilegeFault(
  held: Privileges | undefined,
  privilege: Privilege,
  namespace: string,
  field: string,
): string | undefined {
  if (held?.has(privilege) === true) return undefined;
  return `${field}: refused; the framework's principal lacks verb use on ${PRIVILEGE_RESOURCE}.mezzo.dev "${privilege}" in namespace "${namespace}"`;
}

/** Grants everything and remembers what was asked for. */
export class AskedPrivileges implements Privileges {
  readonly asked = new Set<Privilege>();
  has(privilege: Privilege): boolean {
    this.asked.add(privilege);
    return true;
  }
}

/** What the restricted Pod Security level lets a container add. */
const UNPRIVILEGED_CAPABILITIES: ReadonlySet<string> = new Set(['NET_BIND_SERVICE']);

/** Why a capability is refused; undefined when everybody may have it, or the principal may give it away. */
export function capabilityFault(
  capability: string,
  {
    privileges,
    place,
  }: { readonly privileges?: Privileges; readonly place: { readonly namespace: string } },
  field: string,
): string | undefined {
  if (UNPRIVILEGED_CAPABILITIES.has(capability)) return undefined;
  if (!/^[A-Z_]{1,64}$/.test(capability)) return `${field}: '${capability}' is no capability`;
  const named = `${field}: capability ${capability}`;
  return privilegeFault(privileges, 'capabilities', place.namespace, named);
}
