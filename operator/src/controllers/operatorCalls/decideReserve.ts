import { shortHash } from '../../model/hash.ts';
import {
  add,
  amountOf,
  type Resources,
  shortfall,
  subtract,
  sumOf,
} from '../../model/resources.ts';
import { ok, type Result } from '../../model/result.ts';
import { printable, roleFault } from '../../schema/mesos/framework.ts';
import type { OperatorCallOf, OperatorResource } from '../../schema/mesos/operatorCall.ts';
import { amountFromScalar } from '../../schema/mesos/resource.ts';
import { RESERVATIONS } from '../../schema/mezzoKinds.ts';
import { formatResources } from '../../schema/quantity.ts';
import { BUCKETS, type ClusterView, type ViewedAgent } from '../clusterView/types.ts';
import { creation, objectNameFor, refuseAs } from './planning.ts';
import type { CallPlan, CallRefusal, PlannedWrite } from './types.ts';

/** RESERVE_RESOURCES and UNRESERVE_RESOURCES on Reservation objects. Source: Mesos `src/master/validation.cpp`, `reserve`. */

interface WantedReservation {
  readonly role: string;
  readonly principal: string | undefined;
  readonly labels: { readonly [key: string]: string };
  readonly resources: Resources;
}

const NO_AGENT = 'No agent found with specified ID';

export function decideReserve(
  body: OperatorCallOf<'RESERVE_RESOURCES'>['body'],
  view: ClusterView,
  principal: string,
): CallPlan {
  const agent = view.agents.find((one) => one.id === body.agent_id.value);
  if (agent === undefined) return refuseAs('badRequest', NO_AGENT);
  if (body.source.length > 0)
    return refuseAs(
      'notImplemented',
      "'source' is not served: unreserve first, then reserve for the other role",
    );
  const read = readAll(body.resources, 'RESERVE');
  if (!read.ok) return read;
  for (const one of read.value)
    if (one.principal !== undefined && one.principal !== principal)
      return refuseAs(
        'badRequest',
        `Invalid RESERVE operation: the principal '${printable(one.principal)}' of the reservation is not the caller, '${principal}'`,
      );
  const wanted = sumOf(read.value.map((one) => one.resources));
  const missing = shortfall(wanted, freeOn(agent, view));
  if (Object.keys(missing).length > 0)
    return refuseAs(
      'conflict',
      `Agent '${agent.id}' lacks unreserved free resources: ${text(missing)} more`,
    );
  const names = new Set(view.agents.flatMap((one) => reservationsOf(one).map((each) => each.name)));
  return ok(read.value.map((one) => reservationCreation(one, agent.id, principal, names)));
}

const reservationsOf = (agent: ViewedAgent): ViewedAgent['reservations'] => [
  ...agent.reservations,
  ...agent.pendingReservations.filter(
    (one) => !agent.reservations.some((bound) => bound.name === one.name),
  ),
];

/** Free and nobody's: what offers hold is taken back from them. */
function freeOn(agent: ViewedAgent, view: ClusterView): Resources {
  const held = view.tasks
    .filter((task) => task.agent === agent.id && BUCKETS[task.state] !== 'completed')
    .map((task) => subtract(task.resources, task.reserved));
  const reserved = reservationsOf(agent).map((one) => one.resources);
  return subtract(agent.total.resources, sumOf([...held, ...reserved]));
}

function reservationCreation(
  { role, labels, resources }: WantedReservation,
  agent: string,
  principal: string,
  names: Set<string>,
): PlannedWrite {
  const key = JSON.stringify([agent, role, labels, resources]);
  let name = '';
  for (let copy = 0; name === '' || names.has(name); copy += 1)
    name = objectNameFor(`${role.slice(0, 30)}-${shortHash(`${key}#${copy}`, 10)}`);
  names.add(name);
  return creation(RESERVATIONS, name, {
    role,
    agent,
    resources: formatResources(resources),
    principal,
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  });
}

export function decideUnreserve(
  body: OperatorCallOf<'UNRESERVE_RESOURCES'>['body'],
  view: ClusterView,
): CallPlan {
  const agent = view.agents.find((one) => one.id === body.agent_id.value);
  if (agent === undefined) return refuseAs('badRequest', NO_AGENT);
  const read = readAll(body.resources, 'UNRESERVE');
  if (!read.ok) return read;
  const writes: PlannedWrite[] = [];
  for (const { role, resources } of read.value) {
    const ofRole = reservationsOf(agent).filter((one) => one.role === role);
    const mine = ofRole.filter((one) => one.volume === undefined);
    const inUse = inUseBy(role, agent, view);
    const inVolumes = sumOf(
      ofRole.filter((one) => one.volume !== undefined).map((one) => one.wanted),
    );
    const total = sumOf(mine.map((one) => one.wanted));
    const missing = shortfall(resources, total);
    if (Object.keys(missing).length > 0)
      return refuseAs(
        'badRequest',
        `Invalid UNRESERVE operation: role '${role}' has ${text(total)} reserved on agent '${agent.id}', which lacks ${text(missing)}`,
      );
    const tooMuch = shortfall(add(resources, inUse), total);
    if (Object.keys(tooMuch).length > 0)
      return refuseAs(
        'conflict',
        `Tasks of role '${role}' use what is reserved on agent '${agent.id}': ${text(tooMuch)} too much`,
      );
    const beyondVolumes = shortfall(add(resources, add(inUse, inVolumes)), total);
    if (Object.keys(beyondVolumes).length > 0)
      return refuseAs(
        'conflict',
        `Persistent volumes of role '${role}' are on what is reserved on agent '${agent.id}': ${text(beyondVolumes)} too much; destroy them first`,
      );
    const released = release(mine, resources, agent.id);
    if (!released.ok) return released;
    writes.push(...released.value);
  }
  return ok(writes);
}

/** What tasks of a role hold of its reservations on an agent, persistent volumes left out. */
function inUseBy(role: string, agent: ViewedAgent, view: ClusterView): Resources {
  const tasks = view.tasks.filter(
    (task) => task.agent === agent.id && task.role === role && BUCKETS[task.state] !== 'completed',
  );
  return sumOf(
    tasks.map(({ reserved, volumes }) => {
      const held = agent.reservations.filter((one) => volumes.includes(one.name));
      return subtract(reserved, sumOf(held.map((one) => one.wanted)));
    }),
  );
}

/** Takes `amounts` out of reservations, one after the other. */
function release(
  reservations: ViewedAgent['reservations'],
  amounts: Resources,
  agent: string,
): Result<readonly PlannedWrite[], CallRefusal> {
  const writes: PlannedWrite[] = [];
  let left = amounts;
  for (const { name, wanted: resources, hereOnly } of reservations) {
    const rest = subtract(resources, left);
    const taken = subtract(resources, rest);
    if (Object.keys(taken).length === 0) continue;
    if (!hereOnly)
      return refuseAs(
        'conflict',
        `Reservation '${name}' lies on agents chosen by selector, not on '${agent}' alone; change it with kubectl`,
      );
    left = subtract(left, taken);
    if (Object.keys(rest).length === 0) writes.push({ verb: 'delete', ref: RESERVATIONS, name });
    else {
      const gone = Object.keys(resources).filter((one) => amountOf(rest, one) === 0);
      const kept = {
        ...Object.fromEntries(gone.map((one) => [one, null])),
        ...formatResources(rest),
      };
      writes.push({ verb: 'patch', ref: RESERVATIONS, name, patch: { spec: { resources: kept } } });
    }
  }
  return ok(writes);
}

function readAll(
  list: readonly OperatorResource[],
  operation: string,
): Result<readonly WantedReservation[], CallRefusal> {
  if (list.length === 0)
    return refuseAs('badRequest', `Invalid ${operation} operation: 'resources' is empty`);
  const groups = new Map<string, WantedReservation>();
  for (const one of list) {
    const read = readOne(one);
    if (typeof read === 'string')
      return refuseAs(
        'badRequest',
        `Invalid ${operation} operation: '${printable(one.name)}' ${read}`,
      );
    const key = JSON.stringify([read.role, read.principal, read.labels]);
    const before = groups.get(key)?.resources ?? {};
    groups.set(key, { ...read, resources: add(before, read.resources) });
  }
  return ok([...groups.values()]);
}

/** One resource with its reservation, in the new form (a stack) or the old one (`role`); a text says what is wrong. */
function readOne(one: OperatorResource): WantedReservation | string {
  if (one.revocable !== undefined) return 'is revocable and cannot be reserved';
  if (one.disk !== undefined) return 'has a volume; volumes are not served';
  if (one.scalar === undefined) return 'must be a scalar';
  const amount = amountFromScalar(one.name, one.scalar.value);
  if (amount === undefined || amount === 0) return 'must be a number above 0';
  if (one.reservations.length > 1)
    return 'has refined reservations; make a Reservation object with spec.parent instead';
  const [stacked] = one.reservations;
  const info = stacked ?? one.reservation;
  const role = stacked?.role ?? one.role;
  if (role === undefined || role === '*') return 'names no role to reserve for';
  const fault = roleFault(role);
  if (fault !== undefined) return `names a role that is none: ${fault}`;
  if (info?.type === 'STATIC') return 'is reserved statically; that is not changed at run time';
  const labels = Object.fromEntries(
    (info?.labels?.labels ?? []).map(({ key, value = '' }) => [key, value]),
  );
  return { role, principal: info?.principal, labels, resources: { [one.name]: amount } };
}

const text = (of: Resources): string =>
  Object.entries(formatResources(of))
    .map(([name, amount]) => `${name} ${amount}`)
    .join(', ') || 'nothing';
