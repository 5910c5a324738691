import type { Holding } from '../../controllers/clusterView/types.ts';
import { add, type Resources } from '../../model/resources.ts';
import { scalarFromAmount } from '../../schema/mesos/resource.ts';

/** Amounts as the read endpoints write them: one number per name, in Mesos's units. */
export type Scalars = { readonly [name: string]: number };

export function quantities(of: Resources): Scalars {
  return Object.fromEntries(
    Object.entries(of).map(([name, amount]) => [name, scalarFromAmount(name, amount)]),
  );
}

/**
 * The four names old clients read without looking are always there; revocable amounts have names of their own.
 * Source: Mesos `src/common/http.cpp`, JSON of `Resources`.
 */
export function scalars(of: Resources | Holding): Scalars {
  const { resources, revocable } = isHolding(of) ? of : { resources: of, revocable: {} };
  return {
    cpus: 0,
    gpus: 0,
    mem: 0,
    disk: 0,
    ...quantities(resources),
    ...Object.fromEntries(
      Object.entries(quantities(revocable)).map(([name, value]) => [`${name}_revocable`, value]),
    ),
  };
}

const isHolding = (of: Resources | Holding): of is Holding => typeof of['resources'] === 'object';

export function together(left: Holding, right: Holding): Holding {
  return {
    resources: add(left.resources, right.resources),
    revocable: add(left.revocable, right.revocable),
  };
}
