import { describe, expect, test } from '@jest/globals';
import {
  API_VERSION,
  type QuotaObject,
  type RoleObject,
  type ServiceJobObject,
} from '../../schema/mezzoKinds.ts';
import { roleTableOf } from '../role/roleTable.ts';
import { groupOf, jobFault, templateHashOf } from './gatherJob.ts';

type JobSpec = ServiceJobObject['spec'];

const job = (spec: Partial<JobSpec> = {}, namespace = 'apps'): ServiceJobObject => ({
  apiVersion: API_VERSION,
  kind: 'ServiceJob',
  metadata: { name: 'shop', namespace, uid: 'uid-shop' },
  spec: {
    role: 'eng/web',
    template: { image: 'app:1', resources: { cpus: '500m', mem: '1Gi' } },
    ...spec,
  },
});

const role = (path: string, spec: Partial<RoleObject['spec']> = {}): RoleObject => ({
  metadata: { name: path.replaceAll('/', '-') },
  spec: { path, ...spec },
});

const quota = (path: string, limits: QuotaObject['spec']['limits']): QuotaObject => ({
  metadata: { name: path.replaceAll('/', '-') },
  spec: { role: path, limits },
});

const faultOf = (
  object: ServiceJobObject,
  roles: readonly RoleObject[] = [role('eng'), role('eng/web')],
  quotas: readonly QuotaObject[] = [],
) => jobFault(object, groupOf('ServiceJob', object), roleTableOf(roles, quotas));

interface Row {
  readonly sentence: string;
  readonly job: ServiceJobObject;
  readonly roles?: readonly RoleObject[];
  readonly quotas?: readonly QuotaObject[];
  readonly reason: string | undefined;
  readonly message?: string;
}

const ROWS: readonly Row[] = [
  { sentence: 'a job that is right has no fault', job: job(), reason: undefined },
  {
    sentence: 'a role that does not exist, with the roles there are',
    job: job({ role: 'nope' }),
    reason: 'RoleNotFound',
    message:
      'spec.role `nope` does not exist; create a Role object with spec.path `nope`, or use one of: eng, eng/web',
  },
  {
    sentence: 'a role that does not exist in a cluster without roles',
    job: job(),
    roles: [],
    reason: 'RoleNotFound',
    message: 'spec.role `eng/web` does not exist; create a Role object with spec.path `eng/web`',
  },
  {
    sentence: 'the default role needs no object',
    job: job({ role: '*' }),
    roles: [],
    reason: undefined,
  },
  {
    sentence: 'a namespace that may not use the role',
    job: job({}, 'apps'),
    roles: [role('eng/web', { namespaces: ['shop', 'shop-test'] })],
    reason: 'NamespaceNotAllowed',
    message:
      'role `eng/web` may not be used from namespace apps; its spec.namespaces allows: shop, shop-test',
  },
  {
    sentence: 'a namespace that may',
    job: job({}, 'shop'),
    roles: [role('eng/web', { namespaces: ['shop'] })],
    reason: undefined,
  },
  {
    sentence: 'a tier that the role does not allow',
    job: job({ tier: 'production' }),
    roles: [role('eng/web', { tiers: ['preemptible', 'revocable'] })],
    reason: 'TierNotAllowed',
    message:
      'spec.tier `production` is not allowed in role `eng/web`; its spec.tiers allows: preemptible, revocable',
  },
  {
    sentence: 'a tier left out is preemptible',
    job: job(),
    roles: [role('eng/web', { tiers: ['production'] })],
    reason: 'TierNotAllowed',
  },
  {
    sentence: 'one instance over the limit of its role',
    job: job(),
    quotas: [quota('eng/web', { cpus: '250m' })],
    reason: 'QuotaExceeded',
    message:
      'spec.template.resources.cpus: one instance needs 500m, the limit of role `eng/web` is 250m; lower it or raise the Quota',
  },
  {
    sentence: 'one instance over the limit of a role above',
    job: job(),
    quotas: [quota('eng', { mem: '512Mi' })],
    reason: 'QuotaExceeded',
    message:
      'spec.template.resources.mem: one instance needs 1Gi, the limit of role `eng` is 512Mi; lower it or raise the Quota',
  },
  {
    sentence: 'a limit of zero allows none of it',
    job: job(),
    quotas: [quota('eng', { cpus: '0' })],
    reason: 'QuotaExceeded',
  },
  {
    sentence: 'exactly the limit fits',
    job: job(),
    quotas: [quota('eng', { cpus: '500m' })],
    reason: undefined,
  },
  {
    sentence: 'the limit of a neighbour is none of its business',
    job: job(),
    quotas: [quota('eng/we', { cpus: '0' })],
    reason: undefined,
  },
  {
    sentence: 'what is borrowed is not charged to the quota',
    job: job({ tier: 'revocable' }),
    quotas: [quota('eng', { cpus: '0' })],
    reason: undefined,
  },
  {
    sentence: 'an amount too large to count is not taken for none',
    job: job({
      template: { image: 'a', resources: { cpus: '1', 'example.com/fpga': '9999999999999P' } },
    }),
    reason: 'InvalidQuantity',
    message:
      'spec.template.resources.example.com/fpga: `9999999999999P` is not an amount that can be counted; write one such as 500m, 2 or 512Mi',
  },
];

describe('why a job cannot run as it is written', () => {
  test.each(ROWS)('$sentence', ({ job: object, roles, quotas, reason, message }) => {
    const fault = faultOf(object, roles, quotas);
    expect(fault?.reason).toBe(reason);
    if (message !== undefined) expect(fault?.message).toBe(message);
  });
});

describe('needs of one instance', () => {
  test('a revocable task borrows its CPU and owns its memory', () => {
    const group = groupOf('ServiceJob', job({ tier: 'revocable' }));
    expect(group).toMatchObject({ resources: { mem: 2 ** 30 }, revocable: { cpus: 500 } });
  });
  test('any other owns all of it', () => {
    expect(groupOf('ServiceJob', job())).toMatchObject({
      jobKey: 'ServiceJob/apps/shop',
      tier: 'preemptible',
      resources: { cpus: 500, mem: 2 ** 30 },
      revocable: {},
    });
  });
});

describe('the template hash', () => {
  const base = templateHashOf(job());
  test.each<[string, Partial<JobSpec>]>([
    ['the number of instances', { instances: 7 }],
    ['the priority', { priority: 9 }],
    ['how updates are rolled out', { update: { batchSize: 3 } }],
  ])('does not change with %s', (_what, spec) => {
    expect(templateHashOf(job(spec))).toBe(base);
  });
  test.each<[string, Partial<JobSpec>]>([
    ['the image', { template: { image: 'app:2', resources: { cpus: '500m', mem: '1Gi' } } }],
    ['the tier', { tier: 'production' }],
    ['where it may run', { constraints: [{ attribute: 'zone', operator: 'Exists' }] }],
  ])('changes with %s', (_what, spec) => {
    expect(templateHashOf(job(spec))).not.toBe(base);
  });
});
