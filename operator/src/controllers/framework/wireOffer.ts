import type { FrameworkId } from '../../model/ids.ts';
import type { Node } from '../../schema/kubeObjects.ts';
import type {
  WireInverseOffer,
  WireOffer,
  WireUnavailability,
  WireUrl,
} from '../../schema/mesos/event.ts';
import type { MesosCapability } from '../../schema/mesos/framework.ts';
import {
  type OfferedAmounts,
  resourcesToMesos,
  type WireReservation,
} from '../../schema/mesos/resource.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import type { InverseOffer } from '../../state/inverseOfferBook.ts';
import type { Unavailability } from '../../state/offerBook.ts';
import { stackOf } from '../reservation/planOperation.ts';
import type { Offer } from '../scheduling/types.ts';

/** Port and path under which old clients expect a Mesos agent. */
export const DEFAULT_AGENT_PORT = 5051;
const AGENT_PATH = '/slave(1)';
const NANOS_PER_MS = 1_000_000;

/** What an offer is described with. */
export interface OfferSurroundings {
  readonly node: Node | undefined;
  /** Reservations by name. */
  readonly reservations: ReadonlyMap<string, ReservationObject>;
  /** Where the agent serves what old clients read. */
  readonly agentPort: number | undefined;
  /** Custom executors of the framework that run on the agent. */
  readonly executors: readonly string[];
}

/** An offer as its framework reads it; which fields there are follows from its capabilities. */
export function wireOffer(
  offer: Offer,
  framework: FrameworkId,
  capabilities: ReadonlySet<MesosCapability>,
  { node, reservations, agentPort, executors }: OfferSurroundings,
): WireOffer {
  const multiRole = capabilities.has('MULTI_ROLE');
  const hostname = hostnameOf(offer.agent, node);
  return {
    id: { value: offer.id },
    framework_id: { value: framework },
    agent_id: { value: offer.agent },
    hostname,
    url: urlOf(hostname, node, agentPort),
    resources: resourcesToMesos(
      { ...offer, reserved: reservedOf(offer, reservations) },
      { allocationInfo: multiRole, reservations: capabilities.has('RESERVATION_REFINEMENT') },
    ),
    ...attributesOf(node),
    ...(executors.length === 0 ? {} : { executor_ids: executors.map((value) => ({ value })) }),
    ...(multiRole ? { allocation_info: { role: offer.role } } : {}),
    ...(offer.unavailability === undefined
      ? {}
      : { unavailability: wireUnavailability(offer.unavailability) }),
    ...domainOf(node),
  };
}

function reservedOf(
  { reservedBy, reserved, role }: Offer,
  reservations: OfferSurroundings['reservations'],
): OfferedAmounts['reserved'] {
  const parts = reservedBy ?? [{ role, resources: reserved, reservationId: '' }];
  return parts.map((part) => {
    const volume = reservations.get(part.reservationId)?.spec.volume;
    return {
      resources: part.resources,
      levels: levelsOf(part, reservations),
      ...(volume === undefined ? {} : { volume: { ...volume, shared: volume.shared === true } }),
    };
  });
}

/** Every reservation is an object that may go, so all are dynamic but one that is not known any more. */
function levelsOf(
  { reservationId, role }: { readonly reservationId: string; readonly role: string },
  reservations: OfferSurroundings['reservations'],
): readonly WireReservation[] {
  const levels = stackOf(reservationId, reservations).map((level): WireReservation => {
    const named = Object.entries(level.labels ?? {}).map(([key, value]) => ({ key, value }));
    return {
      type: 'DYNAMIC',
      role: level.role,
      ...(level.principal === undefined ? {} : { principal: level.principal }),
      ...(named.length === 0 ? {} : { labels: { labels: named } }),
    };
  });
  return levels.length === 0 ? [{ type: 'STATIC', role }] : levels;
}

/** A question of maintenance as its framework reads it; it names no resources, as in Mesos. */
export function wireInverseOffer(
  offer: InverseOffer,
  framework: FrameworkId,
  { node, agentPort }: Omit<OfferSurroundings, 'reservations' | 'executors'>,
): WireInverseOffer {
  return {
    id: { value: offer.id },
    framework_id: { value: framework },
    agent_id: { value: offer.agent },
    url: urlOf(hostnameOf(offer.agent, node), node, agentPort),
    unavailability: wireUnavailability(offer.unavailability),
  };
}

function urlOf(
  hostname: string,
  node: Node | undefined,
  port: number = DEFAULT_AGENT_PORT,
): WireUrl {
  const address = { hostname, ip: ipOf(node), port };
  return { scheme: 'http', address, path: AGENT_PATH };
}

function wireUnavailability({ startMs, durationMs }: Unavailability): WireUnavailability {
  return {
    start: { nanoseconds: startMs * NANOS_PER_MS },
    ...(Number.isFinite(durationMs)
      ? { duration: { nanoseconds: durationMs * NANOS_PER_MS } }
      : {}),
  };
}

/** Labels that only Kubernetes itself reads are no attributes; where a node is comes as its domain too. */
const KUBERNETES_OWN = /(^|\.)(kubernetes|k8s)\.io\//;

function attributesOf(node: Node | undefined): Pick<WireOffer, 'attributes'> {
  const labels = Object.entries(node?.metadata.labels ?? {}).filter(
    ([name]) => !KUBERNETES_OWN.test(name),
  );
  if (labels.length === 0) return {};
  return {
    attributes: labels
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, value]) => ({ name, type: 'TEXT', text: { value } })),
  };
}

function domainOf(node: Node | undefined): Pick<WireOffer, 'domain'> {
  const region = node?.metadata.labels?.['topology.kubernetes.io/region'];
  const zone = node?.metadata.labels?.['topology.kubernetes.io/zone'];
  if (region === undefined || zone === undefined) return {};
  return { domain: { fault_domain: { region: { name: region }, zone: { name: zone } } } };
}

/** Some clients read the address without looking whether it is there, so there is always one. */
const NO_ADDRESS = '0.0.0.0';

export function ipOf(node: Node | undefined): string {
  return addressOf(node, 'InternalIP') ?? addressOf(node, 'ExternalIP') ?? NO_ADDRESS;
}

export function hostnameOf(agent: string, node: Node | undefined): string {
  return addressOf(node, 'Hostname') ?? addressOf(node, 'InternalDNS') ?? agent;
}

function addressOf(node: Node | undefined, type: string): string | undefined {
  return node?.status?.addresses?.find((one) => one.type === type)?.address;
}
