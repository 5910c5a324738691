import type { FrameworkId } from '../../model/ids.ts';
import type { Node } from '../../schema/kubeObjects.ts';
import type { WireOffer } from '../../schema/mesos/event.ts';
import type { MesosCapability } from '../../schema/mesos/framework.ts';
import { resourcesToMesos } from '../../schema/mesos/resource.ts';
import type { Offer } from '../scheduling/types.ts';

/** Port and path under which old clients expect a Mesos agent. */
const AGENT_PORT = 5051;
const AGENT_PATH = '/slave(1)';

/** An offer as its framework reads it; which fields there are follows from its capabilities. */
export function wireOffer(
  offer: Offer,
  framework: FrameworkId,
  capabilities: ReadonlySet<MesosCapability>,
  node: Node | undefined,
): WireOffer {
  const multiRole = capabilities.has('MULTI_ROLE');
  const hostname = hostnameOf(offer.agent, node);
  return {
    id: { value: offer.id },
    framework_id: { value: framework },
    agent_id: { value: offer.agent },
    hostname,
    url: {
      scheme: 'http',
      address: { hostname, ip: ipOf(node), port: AGENT_PORT },
      path: AGENT_PATH,
    },
    resources: resourcesToMesos(offer, {
      allocationInfo: multiRole,
      reservations: capabilities.has('RESERVATION_REFINEMENT'),
    }),
    ...(multiRole ? { allocation_info: { role: offer.role } } : {}),
  };
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
