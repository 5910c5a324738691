import {
  type AttributeConstraint,
  type ConstraintPredicate,
  type ConstraintSelector,
  constraintsFault,
  type RoleConstraints,
} from '../../allocator/offerConstraints.ts';
import { type Resources, resources } from '../../model/resources.ts';
import { ok, type Result, refuse } from '../../model/result.ts';
import { type FrameworkInfo, printable } from '../../schema/mesos/framework.ts';
import type {
  OfferConstraints,
  WireAttributeConstraint,
} from '../../schema/mesos/offerConstraints.ts';
import { amountFromScalar } from '../../schema/mesos/resource.ts';

/** What a framework asks of the offers it wants to see, per role. */
export interface OfferRules {
  readonly constraints: Readonly<Record<string, RoleConstraints>>;
  readonly minAllocatableByRole: Readonly<Record<string, readonly Resources[]>>;
}

export const NO_OFFER_RULES: OfferRules = { constraints: {}, minAllocatableByRole: {} };

/**
 * Reads the constraints and the offer filters of a framework.
 * Errors: a text that names the role and the place.
 * Source: Mesos `src/master/allocator/mesos/offer_constraints_filter.cpp`, `src/common/validation.cpp`.
 */
export function offerRulesOf(
  info: FrameworkInfo,
  wire: OfferConstraints | undefined,
  roles: readonly string[],
): Result<OfferRules, string> {
  const minAllocatableByRole: { [role: string]: readonly Resources[] } = {};
  for (const [role, filter] of Object.entries(info.offer_filters ?? {})) {
    if (filter.min_allocatable_resources === undefined) continue;
    const sets = quantitiesOf(role, filter.min_allocatable_resources.quantities);
    if (!sets.ok) return sets;
    minAllocatableByRole[role] = sets.value;
  }
  const constraints: { [role: string]: RoleConstraints } = {};
  for (const [role, { groups }] of Object.entries(wire?.role_constraints ?? {})) {
    const where = `Offer constraints of role '${printable(role)}' are not valid`;
    if (!roles.includes(role)) return refuse(`${where}: the framework does not subscribe to it`);
    const read = groupsOf(groups);
    const fault = read.ok ? constraintsFault(read.value) : read.refusal;
    if (fault !== undefined || !read.ok) return refuse(`${where}: ${fault ?? ''}`);
    constraints[role] = read.value;
  }
  return ok({ constraints, minAllocatableByRole });
}

type Quantities = NonNullable<
  NonNullable<FrameworkInfo['offer_filters']>[string]['min_allocatable_resources']
>['quantities'];

function quantitiesOf(role: string, sets: Quantities): Result<readonly Resources[], string> {
  const where = `'FrameworkInfo.offer_filters' of role '${printable(role)}'`;
  const read: Resources[] = [];
  for (const { quantities } of sets) {
    const named = Object.entries(quantities);
    if (named.length === 0) return refuse(`${where}: a set must contain at least one quantity`);
    const amounts: { [name: string]: number } = {};
    for (const [name, { value }] of named) {
      const amount = amountFromScalar(name, value);
      if (amount === undefined)
        return refuse(`${where}: '${printable(name)}' must be a number of at least 0`);
      amounts[name] = amount;
    }
    read.push(resources(amounts));
  }
  return ok(read);
}

function groupsOf(
  groups: OfferConstraints['role_constraints'][string]['groups'],
): Result<RoleConstraints, string> {
  const read: (readonly AttributeConstraint[])[] = [];
  for (const [index, { attribute_constraints: wire }] of groups.entries()) {
    const group: AttributeConstraint[] = [];
    for (const [place, one] of wire.entries()) {
      const selector = selectorOf(one.selector);
      const predicate = predicateOf(one.predicate);
      const where = `groups[${index}].attribute_constraints[${place}]`;
      if (selector === undefined)
        return refuse(
          `${where}.selector: exactly one of attribute_name and a known pseudoattribute_type must be set`,
        );
      if (predicate === undefined)
        return refuse(`${where}.predicate: exactly one known predicate must be set`);
      group.push({ selector, predicate });
    }
    read.push(group);
  }
  return ok({ groups: read });
}

function selectorOf(wire: WireAttributeConstraint['selector']): ConstraintSelector | undefined {
  const { attribute_name: attribute, pseudoattribute_type: pseudo } = wire;
  if (attribute !== undefined) return pseudo === undefined ? { attribute } : undefined;
  return pseudo === undefined || pseudo === 'UNKNOWN' ? undefined : { pseudo };
}

function predicateOf(wire: WireAttributeConstraint['predicate']): ConstraintPredicate | undefined {
  const set: ConstraintPredicate[] = [];
  if (wire.exists !== undefined) set.push({ kind: 'exists' });
  if (wire.not_exists !== undefined) set.push({ kind: 'notExists' });
  if (wire.text_equals !== undefined)
    set.push({ kind: 'textEquals', value: wire.text_equals.value });
  if (wire.text_not_equals !== undefined)
    set.push({ kind: 'textNotEquals', value: wire.text_not_equals.value });
  if (wire.text_matches !== undefined)
    set.push({ kind: 'textMatches', pattern: wire.text_matches.regex });
  if (wire.text_not_matches !== undefined)
    set.push({ kind: 'textNotMatches', pattern: wire.text_not_matches.regex });
  return set.length === 1 ? set[0] : undefined;
}
