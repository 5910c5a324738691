import type { ClusterView } from '../../controllers/clusterView/types.ts';
import type { Resources } from '../../model/resources.ts';
import { quantities } from './legacyResources.ts';

const scalarMap = (of: Resources): object =>
  Object.fromEntries(Object.entries(quantities(of)).map(([name, value]) => [name, { value }]));

const unlessEmpty = (of: Resources, fields: object): object =>
  Object.keys(of).length === 0 ? {} : fields;

/** Mesos's `QuotaStatus`: `configs`, and the older `infos` that know guarantees only. */
export function wireQuota(view: ClusterView): object {
  const bound = view.roles.filter((one) => one.quotaObject !== undefined);
  if (bound.length === 0) return {};
  return {
    infos: bound.map(({ role, guarantees }) => ({
      role,
      ...unlessEmpty(guarantees, {
        guarantee: Object.entries(quantities(guarantees)).map(([name, value]) => ({
          name,
          type: 'SCALAR',
          scalar: { value },
        })),
      }),
    })),
    configs: bound.map(({ role, guarantees, limits }) => ({
      role,
      ...unlessEmpty(guarantees, { guarantees: scalarMap(guarantees) }),
      ...unlessEmpty(limits, { limits: scalarMap(limits) }),
    })),
  };
}

/** Weights somebody set; every other role weighs 1. */
export function wireWeights(view: ClusterView): readonly object[] {
  return view.roles
    .filter((one) => one.roleObject !== undefined)
    .map((one) => ({ role: one.role, weight: one.weight }));
}
