import { linearPattern } from '../../model/linearPattern.ts';
import {
  type AttributeConstraint,
  type ConstraintSelector,
  constraintsFault,
  type RoleConstraints,
} from '../offerConstraints.ts';
import type { AgentInfo, AgentTable } from './agentTable.ts';

type Pattern = { matches(text: string): boolean };

const UNKNOWN = 0;
const ADMITTED = 1;
const REFUSED = 2;

/** Most groups, and constraints in a group, of one role. */
const MAX_PARTS = 64;

/** Offer constraints of frameworks, judged once per agent until its attributes change. */
export class ConstraintTable {
  readonly #agents: AgentTable;
  readonly #patterns = new Map<string, Pattern>();
  /** By constraints: the verdict by agent. Dropped with the framework that gave them. */
  readonly #verdicts = new Map<RoleConstraints, Uint8Array>();

  constructor(agents: AgentTable) {
    this.#agents = agents;
  }

  /** What is wrong with constraints; undefined when they may be used. */
  fault(constraints: RoleConstraints): string | undefined {
    const { groups } = constraints;
    if (groups.length > MAX_PARTS) return `more than ${MAX_PARTS} constraint groups`;
    if (groups.some((group) => group.length > MAX_PARTS))
      return `more than ${MAX_PARTS} constraints in a group`;
    const fault = constraintsFault(constraints);
    if (fault === undefined) return undefined;
    const patterns = groups
      .flat()
      .flatMap(({ predicate }) => ('pattern' in predicate ? [predicate.pattern] : []));
    const culprit = patterns.find((pattern) => !linearPattern(pattern).ok);
    return culprit === undefined ? fault : `${fault} (pattern ${JSON.stringify(culprit)})`;
  }

  admits(constraints: RoleConstraints, agent: number): boolean {
    let verdicts = this.#verdicts.get(constraints);
    if (verdicts === undefined || agent >= verdicts.length) {
      const grown = new Uint8Array(Math.max(agent + 1, this.#agents.rowCount));
      if (verdicts !== undefined) grown.set(verdicts);
      verdicts = grown;
      this.#verdicts.set(constraints, verdicts);
    }
    const known = verdicts[agent] as number;
    if (known !== UNKNOWN) return known === ADMITTED;
    const info = this.#agents.info[agent] as AgentInfo;
    const isAdmitted = constraints.groups.some((group) =>
      group.every((one) => this.#holds(one, info)),
    );
    verdicts[agent] = isAdmitted ? ADMITTED : REFUSED;
    return isAdmitted;
  }

  /** An agent's attributes changed, or its row belongs to another agent now. */
  forgetAgent(agent: number): void {
    for (const verdicts of this.#verdicts.values())
      if (agent < verdicts.length) verdicts[agent] = UNKNOWN;
  }

  forget(constraints: RoleConstraints): void {
    this.#verdicts.delete(constraints);
    if (this.#verdicts.size === 0) this.#patterns.clear();
  }

  #holds({ selector, predicate }: AttributeConstraint, info: AgentInfo): boolean {
    const value = valueOf(selector, info);
    // Source: Mesos 1.11: scalars, ranges and sets always pass equality and patterns, negated or not.
    if ('attribute' in selector && info.notText.has(selector.attribute) && isOfText(predicate))
      return true;
    switch (predicate.kind) {
      case 'exists':
        return value !== undefined;
      case 'notExists':
        return value === undefined;
      case 'textEquals':
        return value === predicate.value;
      case 'textNotEquals':
        return value !== predicate.value;
      case 'textMatches':
        return value !== undefined && this.#matches(predicate.pattern, value);
      case 'textNotMatches':
        return value === undefined || !this.#matches(predicate.pattern, value);
    }
  }

  #matches(pattern: string, text: string): boolean {
    let regex = this.#patterns.get(pattern);
    if (regex === undefined) {
      const compiled = linearPattern(pattern);
      if (!compiled.ok) return false;
      regex = compiled.value;
      this.#patterns.set(pattern, regex);
    }
    return regex.matches(text);
  }
}

function isOfText(predicate: AttributeConstraint['predicate']): boolean {
  return predicate.kind !== 'exists' && predicate.kind !== 'notExists';
}

function valueOf(selector: ConstraintSelector, info: AgentInfo): string | undefined {
  if ('attribute' in selector)
    return Object.hasOwn(info.attributes, selector.attribute)
      ? info.attributes[selector.attribute]
      : undefined;
  switch (selector.pseudo) {
    case 'HOSTNAME':
      return info.hostname;
    case 'REGION':
      return info.region;
    case 'ZONE':
      return info.zone;
  }
}
