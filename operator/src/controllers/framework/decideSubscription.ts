import type { RolePath } from '../../model/ids.ts';
import {
  capabilitiesOf,
  DEFAULT_ROLE,
  type FrameworkInfo,
  frameworkInfoFault,
  printable,
  rolesOf,
} from '../../schema/mesos/framework.ts';
import type { OfferConstraints } from '../../schema/mesos/offerConstraints.ts';
import { type OfferRules, offerRulesOf } from './offerRules.ts';
import type { FrameworkProfile } from './types.ts';

/** What is known of a role object that matters to a subscription. */
export interface RoleRule {
  /** Namespaces whose frameworks may use the role; empty: all. */
  readonly namespaces: readonly string[];
}

export interface SubscriptionInput {
  readonly info: FrameworkInfo;
  readonly suppressedRoles: readonly string[];
  readonly offerConstraints: OfferConstraints | undefined;
  readonly principal: string;
  /** Where the framework's Pods would run. */
  readonly namespace: string;
  readonly namespaceForbidden: boolean;
  readonly roles: ReadonlyMap<RolePath, RoleRule>;
  /** The framework of the id in the call, if it has one that is known. */
  readonly known: { readonly principal: string; readonly completed: boolean } | undefined;
}

export type SubscriptionVerdict =
  | { readonly kind: 'refused'; readonly message: string }
  /** Without an id: the master assigns one. */
  | { readonly kind: 'new'; readonly profile: FrameworkProfile }
  /** An id nobody here has seen: taken for a framework that outlived its master. */
  | { readonly kind: 'recovered'; readonly profile: FrameworkProfile }
  | { readonly kind: 'returning'; readonly profile: FrameworkProfile };

/**
 * Whether a framework may subscribe, as far as no review by the API server is needed.
 * Source: Mesos `src/master/master.cpp`, `Master::subscribe`; a refusal is an ERROR event, not a status code.
 */
export function decideSubscription(input: SubscriptionInput): SubscriptionVerdict {
  const message = refusalOf(input);
  if (message !== undefined) return { kind: 'refused', message };
  const rules = offerRulesOf(input.info, input.offerConstraints, rolesOf(input.info));
  if (!rules.ok) return { kind: 'refused', message: rules.refusal };
  const profile = profileOf(input.info, input.principal, rules.value);
  if (input.info.id === undefined) return { kind: 'new', profile };
  return { kind: input.known === undefined ? 'recovered' : 'returning', profile };
}

export type UpdateVerdict =
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'updated'; readonly profile: FrameworkProfile };

/**
 * Whether a connected framework may become what it says, as far as no review by the API server is needed.
 * Source: Mesos `src/master/master.cpp`, `Master::updateFramework`: all or nothing, and some fields never change.
 */
export function decideUpdate(
  input: Omit<SubscriptionInput, 'known'>,
  current: FrameworkProfile,
): UpdateVerdict {
  const { info } = input;
  if (info.user !== current.user) return refusedChange('user', current.user, info.user);
  if (current.checkpoint !== undefined && (info.checkpoint ?? false) !== current.checkpoint)
    return refusedChange('checkpoint', String(current.checkpoint), String(!current.checkpoint));
  const verdict = decideSubscription({ ...input, known: undefined });
  if (verdict.kind === 'refused')
    return { kind: 'refused', message: `Supplied FrameworkInfo is not valid: ${verdict.message}` };
  return { kind: 'updated', profile: verdict.profile };
}

function refusedChange(field: string, from: string, to: string): UpdateVerdict {
  const message = `FrameworkInfo update is not valid: '${field}' cannot change from '${printable(from)}' to '${printable(to)}'; subscribe anew for that`;
  return { kind: 'refused', message };
}

function refusalOf(input: SubscriptionInput): string | undefined {
  const { info, known, principal } = input;
  const fault = frameworkInfoFault(info);
  if (fault !== undefined) return fault;
  const roles = rolesOf(info);
  const stray = input.suppressedRoles.find((role) => !roles.some((one) => one === role));
  if (stray !== undefined)
    return `Suppressed role '${printable(stray)}' is not contained in the list of roles`;
  if (info.principal !== undefined && info.principal !== principal)
    return `Framework principal '${printable(info.principal)}' does not match authenticated principal '${principal}'`;
  if (known?.completed === true) return 'Framework has been removed';
  if (known !== undefined && known.principal !== principal)
    return `Changing framework's principal is not allowed: it is '${known.principal}', the caller is '${principal}'`;
  if (input.namespaceForbidden)
    return `Frameworks may not run in namespace '${input.namespace}': subscribe with a principal of another namespace`;
  return roles.map((role) => roleRefusal(role, input)).find((one) => one !== undefined);
}

function roleRefusal(role: RolePath, input: SubscriptionInput): string | undefined {
  const rule = input.roles.get(role);
  if (rule === undefined) {
    return role === DEFAULT_ROLE
      ? undefined
      : `Role '${role}' does not exist: ask for a Role object with spec.path '${role}'`;
  }
  if (rule.namespaces.length > 0 && !rule.namespaces.includes(input.namespace))
    return `Role '${role}' is not for namespace '${input.namespace}': its spec.namespaces lists ${rule.namespaces.join(', ')}`;
  return undefined;
}

/** As much as an object holds: what only people read is no reason to refuse a framework. */
const MAX_HOSTNAME_LENGTH = 255;
const MAX_URL_LENGTH = 2048;

function told<Field extends string>(
  field: Field,
  value: string | undefined,
  maxLength: number,
): { readonly [name in Field]?: string } {
  const isTold = value !== undefined && value !== '' && value.length <= maxLength;
  return (isTold ? { [field]: value } : {}) as { readonly [name in Field]?: string };
}

function profileOf(
  info: FrameworkInfo,
  principal: string,
  offerRules: OfferRules,
): FrameworkProfile {
  const seconds = Math.max(0, info.failover_timeout ?? 0);
  return {
    name: info.name,
    user: info.user,
    principal,
    roles: rolesOf(info),
    capabilities: capabilitiesOf(info),
    failoverTimeoutMs: Math.round(seconds * 1000),
    checkpoint: info.checkpoint ?? false,
    ...told('hostname', info.hostname, MAX_HOSTNAME_LENGTH),
    ...told('webuiUrl', info.webui_url, MAX_URL_LENGTH),
    offerRules,
  };
}
