import { z } from 'zod';
import { type CelRule, immutable, kube } from './kubeMeta.ts';

/** Small field types that many kinds use. All are bounded: the API server prices CEL rules by the bounds. */

/** Counters and sizes of lists never come near this. */
const MAX_COUNT = 2_147_483_647;

/** A count that the operator reports. */
export const count = (description: string) => z.int().min(0).max(MAX_COUNT).describe(description);

/** A length of time in whole seconds. */
export const seconds = (least: number, most: number, description: string) =>
  z.int().min(least).max(most).describe(description);

/** Text the operator reports. */
export const text = (maxLength: number, description: string) =>
  z.string().max(maxLength).describe(description);

/** A moment the operator reports. */
export const time = (description: string) => z.string().max(64).describe(description);

/** Text that must match `pattern`; the same expression guards zod's parse and the API server. RE2 syntax only. */
export const patterned = (
  shape: { readonly maxLength: number; readonly pattern: RegExp; readonly must: string },
  description: string,
) =>
  z
    .string()
    .min(1)
    .max(shape.maxLength)
    .refine((value) => shape.pattern.test(value), shape.must)
    .meta(
      kube({
        description,
        rules: [{ rule: `self.matches(${celString(shape.pattern.source)})`, message: shape.must }],
      }),
    );

/** A CEL string literal that holds `value` as it is. */
export const celString = (value: string): string =>
  `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const DNS_LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/** Name of another Kubernetes object. */
export const objectName = (description: string) =>
  patterned(
    {
      maxLength: 253,
      pattern: new RegExp(`^${DNS_LABEL}(\\.${DNS_LABEL})*$`),
      must: 'must be the name of a Kubernetes object: lower-case letters, digits, dashes and dots',
    },
    description,
  );

const ROLE_COMPONENT = '[A-Za-z0-9_][A-Za-z0-9._-]*';
const ROLE_PATH = new RegExp(`^(\\*|${ROLE_COMPONENT}(/${ROLE_COMPONENT}){0,15})$`);
const ROLE_PATH_RULE: CelRule = {
  rule: `self.matches(${celString(ROLE_PATH.source)})`,
  message:
    'must be a role path such as eng or eng/web: up to 16 components of letters, digits, _ . and - ' +
    'joined by single slashes, none starting with . or - and none being *; a lone * is the default role',
};

/** The rule that keeps a role where it is; see `immutable`. */
export const roleIsImmutable = (field: string, remedy: string): readonly CelRule[] => [
  ROLE_PATH_RULE,
  immutable(field, remedy),
];

/**
 * Path of a role in the role tree: `eng/web`; `*` is the default role.
 * Source: Mesos `docs/roles.md` (no empty, `.`, `..`, `*` components, no leading dash). Narrower in one point:
 * letters, digits, `_ . -` only, as a path must also make a label value.
 */
export const RolePathField = z
  .string()
  .min(1)
  .max(253)
  .refine((path) => ROLE_PATH.test(path), ROLE_PATH_RULE.message)
  .meta(kube({ description: 'Path of a role in the role tree.', rules: [ROLE_PATH_RULE] }));

const LABEL_VALUE = '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$';
const LABEL_KEY =
  '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$';

/** Kubernetes labels that a user chooses. */
export const labels = (maxProperties: number, description: string) =>
  z.record(z.string().max(317), z.string().max(63).describe('Value of the label.')).meta(
    kube({
      description,
      maxProperties,
      rules: [
        {
          rule: `self.all(k, k.size() <= 317 && k.matches(${celString(LABEL_KEY)}) && self[k].matches(${celString(LABEL_VALUE)}))`,
          message:
            'must hold labels as Kubernetes knows them: keys such as app or example.com/app, ' +
            'values of letters, digits, - _ and . that begin and end with a letter or digit',
        },
      ],
    }),
  );

/** Rule on the name of a job: its tasks, runs and Service are named after it and must stay within 63 characters. */
export const jobName = (most: number, suffix: string): CelRule => ({
  rule: `self.metadata.name.size() <= ${most} && !self.metadata.name.contains('.')`,
  message: `metadata.name must be at most ${most} characters and hold no dot, so that ${suffix}`,
});
