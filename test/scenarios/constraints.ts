import { z } from 'zod';
import type {
  AttributeConstraint,
  ConstraintPredicate,
  ConstraintSelector,
  RoleConstraints,
} from '../../operator/src/allocator/offerConstraints.ts';

const Flag = z.union([z.literal(true), z.strictObject({}), z.null()]);
const Value = z.union([
  z.string(),
  z.strictObject({ value: z.string() }).transform((one) => one.value),
]);
const Pattern = z.union([
  z.string(),
  z.strictObject({ regex: z.string() }).transform((one) => one.regex),
]);
const PREDICATES = {
  exists: Flag.optional(),
  notExists: Flag.optional(),
  textEquals: Value.optional(),
  textNotEquals: Value.optional(),
  textMatches: Pattern.optional(),
  textNotMatches: Pattern.optional(),
};
const Predicate = z.strictObject(PREDICATES);
const Pseudo = z.enum(['HOSTNAME', 'REGION', 'ZONE']);

const MesosConstraint = z
  .strictObject({
    selector: z.strictObject({
      attributeName: z.string().optional(),
      pseudoattributeType: Pseudo.optional(),
    }),
    predicate: Predicate,
  })
  .transform(({ selector, predicate }) =>
    constraintOf(selector.attributeName, selector.pseudoattributeType, predicate),
  );
const ShortConstraint = z
  .strictObject({ attribute: z.string().optional(), pseudo: Pseudo.optional(), ...PREDICATES })
  .transform(({ attribute, pseudo, ...predicate }) => constraintOf(attribute, pseudo, predicate));

const Group = z.union([
  z.array(z.union([ShortConstraint, MesosConstraint])),
  z
    .strictObject({ attributeConstraints: z.array(MesosConstraint) })
    .transform((group) => group.attributeConstraints),
]);
const Groups = z.union([
  z.array(Group),
  z.strictObject({ groups: z.array(Group) }).transform((role) => role.groups),
]);
const ByRole = z.record(
  z.string(),
  Groups.transform((groups): RoleConstraints => ({ groups })),
);

/**
 * Offer constraints, as Mesos's JSON (`{role_constraints: {r: {groups: [{attribute_constraints: …}]}}}`) or short:
 * role → groups → `{attribute: rack, textEquals: r1}`. Empty groups pass: the allocator has to refuse them.
 */
export const Constraints = z
  .record(z.string(), z.unknown())
  .transform((value) => {
    const inner = value['role_constraints'] ?? value['roleConstraints'] ?? value;
    return Object.fromEntries(
      Object.entries(inner as Readonly<Record<string, unknown>>).map(([role, groups]) => [
        role,
        camelKeys(groups),
      ]),
    );
  })
  .pipe(ByRole);

function constraintOf(
  attribute: string | undefined,
  pseudo: z.infer<typeof Pseudo> | undefined,
  predicate: z.infer<typeof Predicate>,
): AttributeConstraint {
  const selector: ConstraintSelector =
    pseudo === undefined ? { attribute: attribute ?? '' } : { pseudo };
  return { selector, predicate: predicateOf(predicate) };
}

function predicateOf(predicate: z.infer<typeof Predicate>): ConstraintPredicate {
  const { textEquals, textNotEquals, textMatches, textNotMatches } = predicate;
  if (textEquals !== undefined) return { kind: 'textEquals', value: textEquals };
  if (textNotEquals !== undefined) return { kind: 'textNotEquals', value: textNotEquals };
  if (textMatches !== undefined) return { kind: 'textMatches', pattern: textMatches };
  if (textNotMatches !== undefined) return { kind: 'textNotMatches', pattern: textNotMatches };
  return predicate.notExists === undefined ? { kind: 'exists' } : { kind: 'notExists' };
}

/** `text_equals` as `textEquals`, at every depth. */
function camelKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      camelKeys(inner),
    ]),
  );
}
