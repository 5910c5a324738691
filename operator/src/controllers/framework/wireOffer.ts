import type { FrameworkId } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { Node } from '../../schema/kubeObjects.ts';
import type {
  WireInverseOffer,
  WireOffer,
  WireUnavailability,
  WireUrl,
} from '../../schema/mesos/event.ts';
import type { MesosCapability } from '../../schema/mesos/framework.ts';
import { resourcesToMesos, type WireReservation } from '../../schema/mesos/resource.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import type { InverseOffer } from '../../state/inverseOfferBook.ts';
import type { Unavailability } from '../../state/offerBook.ts';
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
}

/** An offer as its framework reads it; which fields there are follows from its capabilities. */
export function wireOffer(
  offer: Offer,
  framework: FrameworkId,
  capabilities: ReadonlySet<MesosCapability>,
  { node, reservations, agentPort }: OfferSurroundings,
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
): readonly { readonly resources: Resources; readonly levels: readonly WireReservation[] }[] {
  const parts = reservedBy ?? [{ role, resources: reserved, reservationId: '' }];
  return parts.map((part) => ({
    resources: part.resources,
    levels: levelsOf(part, reservations),
  }));
}

/** Reservations nest no deeper. */
const MAX_LEVELS = 16;

/** Every reservation is an object that may go, so all are dynamic but one that is not known any more. */
function levelsOf(
  { reservationId, role }: { readonly reservationId: string; readonly role: string },
  reservations: OfferSurroundings['reservations'],
): readonly WireReservation[] {
  const levels: WireReservation[] = [];
  let at = reservations.get(reservationId);
  while (at !== undefined && levels.length < MAX_LEVELS) {
    const { principal, labels, parent } = at.spec;
    const named = Object.entries(labels ?? {}).map(([key, value]) => ({ key, value }));
    levels.unshift({
      type: 'DYNAMIC',
      role: at.spec.role,
      ...(principal === undefined ? {} : { principal }),
      ...(named.length === 0 ? {} : { labels: { labels: named } }),
    });
    at = parent === undefined ? undefined : reservations.get(parent);
  }
  return levels.length === 0 ? [{ type: 'STATIC', role }] : levels;
}

/** A question of maintenance as its framework reads it; it names no resources, as in Mesos. */
export function wireInverseOffer(
  offer: InverseOffer,
  framework: FrameworkId,
  { node, agentPort }: Omit<OfferSurroundings, 'reservations'>,
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
