import { type LinearPattern, linearPattern } from '../model/linearPattern.ts';

/** What a constraint looks at: an attribute of the agent (the first of that name), or where it is. */
export type ConstraintSelector =
  | { readonly attribute: string }
  | { readonly pseudo: 'HOSTNAME' | 'REGION' | 'ZONE' };

/** `matches` is for the whole text. */
export type ConstraintPredicate =
  | { readonly kind: 'exists' }
  | { readonly kind: 'notExists' }
  | { readonly kind: 'textEquals'; readonly value: string }
  | { readonly kind: 'textNotEquals'; readonly value: string }
  | { readonly kind: 'textMatches'; readonly pattern: string }
  | { readonly kind: 'textNotMatches'; readonly pattern: string };

export interface AttributeConstraint {
  readonly selector: ConstraintSelector;
  readonly predicate: ConstraintPredicate;
}

/** Groups are alternatives; within a group every constraint must hold. Neither may be empty. */
export interface RoleConstraints {
  readonly groups: readonly (readonly AttributeConstraint[])[];
}

/** What of an agent constraints look at. */
interface Attributed {
  readonly attributes: Readonly<Record<string, string>>;
}

type Test = (agent: Attributed) => boolean;

/** Attributes that say where a node is. */
const PSEUDO_ATTRIBUTES = {
  HOSTNAME: 'hostname',
  REGION: 'topology.kubernetes.io/region',
  ZONE: 'topology.kubernetes.io/zone',
} as const satisfies Record<'HOSTNAME' | 'REGION' | 'ZONE', string>;

/** Patterns are read once for as long as somebody holds the constraints. */
const compiled = new WeakMap<RoleConstraints, Test>();

/**
 * Whether an agent may be offered under the constraints of a role.
 * Assumes `constraintsFault` found nothing. Takes time linear in the attributes.
 * Source: Mesos `src/master/allocator/mesos/offer_constraints_filter.cpp`: an absent attribute meets the negated
 * predicates only.
 */
export function meetsConstraints(agent: Attributed, constraints: RoleConstraints): boolean {
  let test = compiled.get(constraints);
  if (test === undefined) {
    const groups = constraints.groups.map((group) => group.map(testOf));
    test = (one) => groups.some((group) => group.every((holds) => holds(one)));
    compiled.set(constraints, test);
  }
  return test(agent);
}

/** Why constraints cannot be used, naming the place; undefined when they can. */
export function constraintsFault({ groups }: RoleConstraints): string | undefined {
  if (groups.length === 0) return 'it has no groups; leave the role out to have no constraints';
  for (const [index, group] of groups.entries()) {
    if (group.length === 0) return `groups[${index}] is empty`;
    for (const [place, { predicate }] of group.entries()) {
      const read = 'pattern' in predicate ? linearPattern(predicate.pattern) : undefined;
      if (read?.ok === false)
        return `groups[${index}].attribute_constraints[${place}]: ${read.refusal}`;
    }
  }
  return undefined;
}

function testOf({ selector, predicate }: AttributeConstraint): Test {
  const name = 'attribute' in selector ? selector.attribute : PSEUDO_ATTRIBUTES[selector.pseudo];
  const holds = predicateOf(predicate);
  return ({ attributes }) => holds(Object.hasOwn(attributes, name) ? attributes[name] : undefined);
}

function predicateOf(predicate: ConstraintPredicate): (text: string | undefined) => boolean {
  switch (predicate.kind) {
    case 'exists':
      return (text) => text !== undefined;
    case 'notExists':
      return (text) => text === undefined;
    case 'textEquals':
      return (text) => text === predicate.value;
    case 'textNotEquals':
      return (text) => text !== predicate.value;
    case 'textMatches': {
      const pattern = patternOf(predicate.pattern);
      return (text) => text !== undefined && pattern.matches(text);
    }
    case 'textNotMatches': {
      const pattern = patternOf(predicate.pattern);
      return (text) => text === undefined || !pattern.matches(text);
    }
  }
}

/** A pattern that cannot be read matches nothing: it was refused when it came. */
function patternOf(source: string): LinearPattern {
  const read = linearPattern(source);
  return read.ok ? read.value : { matches: () => false };
}
