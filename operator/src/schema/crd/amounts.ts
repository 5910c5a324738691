import { z } from 'zod';
import { celString } from './fields.ts';
import { type CelRule, kube } from './kubeMeta.ts';

/** Amounts of resources: as users write them (checked) and as the operator reports them. */

const QUANTITY = /^[0-9]+(\.[0-9]{1,3})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/;
const QUANTITY_MUST = 'must be a quantity that is not negative, such as 500m, 2, 1.5 or 512Mi';

/** Most entries of one map of amounts: four of Mesos's names and the extended resources of a node. */
const MAX_NAMES = 16;

/**
 * Amounts the operator reports, by name: `cpus`, `mem`, `disk`, `gpus`, or an extended resource.
 * Written by `schema/quantity.ts`, so only bounded here.
 */
export const ResourceAmounts = z
  .record(z.string().max(317), z.string().max(32).describe('Quantity: 500m, 2, 1Gi.'))
  .meta(kube({ description: 'Amounts by resource name.', maxProperties: 32 }));

/** A quantity as a user writes it: `2` and `"2"` are the same. */
export const RequestedQuantity = z
  .union([
    z.int().min(0),
    z
      .string()
      .min(1)
      .max(32)
      .refine((text) => QUANTITY.test(text), QUANTITY_MUST),
  ])
  .meta({
    ...kube({
      description: 'Quantity, written as a whole number or as text: 500m, 2, 1.5, 512Mi.',
      rules: [
        {
          rule: `type(self) == int ? true : self.matches(${celString(QUANTITY.source)})`,
          message: QUANTITY_MUST,
        },
      ],
    }),
    'x-kubernetes-int-or-string': true,
  });

/** Largest amounts that make sense in one place; more is a slip of the unit. */
interface AmountLimits {
  readonly cpus: string;
  readonly mem: string;
  readonly disk: string;
  readonly gpus: string;
}

/** One task or one reservation: it must fit on one agent. */
const ON_ONE_AGENT: AmountLimits = { cpus: '100000', mem: '1Pi', disk: '1Pi', gpus: '10000' };
/** A whole role: bounded so that byte counts stay exact integers in JavaScript. */
const IN_ONE_CLUSTER: AmountLimits = {
  cpus: '100000000',
  mem: '4Pi',
  disk: '4Pi',
  gpus: '10000000',
};

const EXTENDED_NAME = '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$';

const nameRules: readonly CelRule[] = [
  {
    rule: `self.all(k, k in ['cpus', 'mem', 'disk', 'gpus'] || (k.size() <= 317 && k.matches(${celString(EXTENDED_NAME)})))`,
    message:
      'resource names must be cpus, mem, disk, gpus or an extended resource such as example.com/fpga; ' +
      'write cpus for cpu, mem for memory',
  },
  {
    rule: "self.all(k, !k.contains('/') || !isQuantity(string(self[k])) || !quantity(string(self[k])).isGreaterThan(quantity('1G')))",
    message: 'an extended resource must be at most 1G (one billion); check the unit',
  },
  {
    rule: "!self.exists(k, k.startsWith('mezzo.dev/'))",
    message:
      'resources of mezzo.dev may not be asked for by name; revocable capacity is had with tier: revocable',
  },
];

/** CEL for the amount of `name`, which must be present; malformed ones are another rule's to report. */
const amountOf = (name: string): string => `quantity(string(self['${name}']))`;
const unlessPresent = (name: string): string =>
  `!('${name}' in self) || !isQuantity(string(self['${name}']))`;

const limitRules = (limits: AmountLimits): readonly CelRule[] =>
  (['cpus', 'mem', 'disk', 'gpus'] as const).map((name) => ({
    rule: `${unlessPresent(name)} || !${amountOf(name)}.isGreaterThan(quantity('${limits[name]}'))`,
    message: `${name} must be at most ${limits[name]}; check the unit`,
  }));

/** `mem: 512m` is half a byte: the classic slip of a unit. */
const byteRules: readonly CelRule[] = (['mem', 'disk'] as const).map((name) => ({
  rule:
    `${unlessPresent(name)} || ${amountOf(name)}.compareTo(quantity('0')) == 0 || ` +
    `!${amountOf(name)}.isLessThan(quantity('1Mi'))`,
  message: `${name} must be at least 1Mi; it counts bytes, so write 512Mi, not 512m`,
}));

const somethingToRunOn: CelRule = {
  rule: "'cpus' in self || 'mem' in self",
  message: 'must name cpus or mem, as in {cpus: 500m, mem: 256Mi}',
};

const positiveRules: readonly CelRule[] = [
  {
    rule: "self.all(k, !isQuantity(string(self[k])) || quantity(string(self[k])).isGreaterThan(quantity('0')))",
    message: 'amounts must be greater than zero; leave a resource out to ask for none of it',
  },
  {
    rule: "self.all(k, k in ['cpus', 'mem', 'disk'] || !isQuantity(string(self[k])) || quantity(string(self[k])).isInteger())",
    message:
      'gpus and extended resources must be whole numbers; Kubernetes hands them out undivided',
  },
];

const requested = (limits: AmountLimits, extra: readonly CelRule[], description: string) =>
  z.record(z.string().max(317), RequestedQuantity).meta(
    kube({
      description,
      minProperties: 1,
      maxProperties: MAX_NAMES,
      rules: [...extra, ...nameRules, ...limitRules(limits), ...byteRules],
    }),
  );

/** Amounts that one task or one reservation takes on one agent: all above zero. */
export const agentAmounts = (description: string) =>
  requested(ON_ONE_AGENT, [somethingToRunOn, ...positiveRules], description);

/** Amounts kept on one agent: of disk or devices alone, too. */
export const reservedAmounts = (description: string) =>
  requested(ON_ONE_AGENT, positiveRules, description);

/** Amounts of a whole role; zero is meaningful there: "none of it". */
export const roleAmounts = (description: string) => requested(IN_ONE_CLUSTER, [], description);
