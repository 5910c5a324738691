import { amountOf, isEmpty } from '../../../model/resources.ts';
import { ok, refuse } from '../../../model/result.ts';
import type { ResourceRequirements } from '../../../schema/kubeObjects.ts';
import {
  amountFromScalar,
  amountsFromMesos,
  type TaskAmounts,
} from '../../../schema/mesos/resource.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { formatQuantity } from '../../../schema/quantity.ts';
import { containerResources } from '../../task/buildTaskPod.ts';
import type { Translated } from './podContext.ts';
import { PORTS } from './ports.ts';

/** The amounts a task asks for, without its ports and shared volumes. A task may ask for zero of something, but must name something. */
export function amountsOf(info: TaskInfo): Translated<TaskAmounts> {
  if (info.resources.length === 0)
    return refuse('resources: the task uses no resources; name at least one');
  // Many tasks may hold a shared volume: it is part of no amounts.
  return amountsFromMesos(
    info.resources.filter((one) => one.name !== PORTS && one.shared === undefined),
  );
}

/** Names a limit may have. Source: Mesos `src/master/validation.cpp`, `validateResourceLimits`. */
const LIMITED = { cpus: 'cpu', mem: 'memory' } as const;

const isLimited = (name: string): name is keyof typeof LIMITED => Object.hasOwn(LIMITED, name);

/** Requests and limits of the task's container; a limit of Infinity is none. */
export function requirementsOf(
  info: TaskInfo,
  amounts: TaskAmounts,
): Translated<ResourceRequirements> {
  const plain = containerResources(amounts.resources, amounts.revocable);
  const named = Object.entries(info.limits ?? {});
  if (named.length === 0) return ok(plain);
  if (!isEmpty(amounts.revocable))
    return refuse('limits: a task on revocable resources has none; leave them out');
  const limits: { [name: string]: string } = { ...plain.limits };
  for (const [name, { value }] of named) {
    if (!isLimited(name))
      return refuse(`limits: '${name}' cannot be limited; only cpus and mem can`);
    const request = amountOf(amounts.resources, name);
    if (!info.resources.some((one) => one.name === name))
      return refuse(`limits.${name}: needs '${name}' among the task's resources`);
    if (value === Number.POSITIVE_INFINITY) {
      delete limits[LIMITED[name]];
      continue;
    }
    const limit = amountFromScalar(name, value);
    if (limit === undefined || limit < request)
      return refuse(`limits.${name}: ${value} is less than what the task asks for`);
    limits[LIMITED[name]] = formatQuantity(name, limit);
  }
  return ok({ ...plain, limits });
}
