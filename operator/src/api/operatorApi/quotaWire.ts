import type { ClusterView } from '../../controllers/clusterView/types.ts';
import type { Resources } from '../../model/resources.ts';
import { quantities } from './legacyResources.ts';

const scalarMap = (of: Resources): object =>
  Object.fromEntries(Object.entries(quantities(of)).map(([name, value]) => [name, { value }]));

/** Mesos's `QuotaStatus`: `configs`, and the older `infos` that know guarantees only. */
export function wireQuota(view: ClusterView): object {
  const bound = view.roles.filter((one) => one.hasQuota);
  if (bound.length === 0) return {};
  return {
    infos: bound.map((one) => ({
      role: one.role,
      guarantee: Object.entries(quantities(one.guarantees)).map(([name, value]) => ({
        name,
        type: 'SCALAR',
        scalar: { value },
      })),
    })),
    configs: bound.map((one) => ({
      role: one.role,
      guarantees: scalarMap(one.guarantees),
      limits: scalarMap(one.limits),
    })),
  };
}

/** Weights somebody set; every other role weighs 1. */
export function wireWeights(view: ClusterView): readonly object[] {
  return view.roles
    .filter((one) => one.hasWeight)
    .map((one) => ({ role: one.role, weight: one.weight }));
}
