import { ok, refuse } from '../../../model/result.ts';
import type { Container } from '../../../schema/kubeObjects.ts';
import type { PortMapping } from '../../../schema/mesos/container.ts';
import type { MesosResource } from '../../../schema/mesos/resource.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import type { PortRange } from './podConfig.ts';
import type { PodContext, Translated } from './podContext.ts';

/** Name of the resource that holds ports. */
export const PORTS = 'ports';
/** Ports of one task; each becomes a rule of the node's firewall. */
const MAX_PORTS = 256;
const HIGHEST_PORT = 65_535;
const PROTOCOLS: ReadonlySet<string> = new Set(['TCP', 'UDP', 'SCTP']);

type ContainerPort = NonNullable<Container['ports']>[number];

/**
 * The ports of a task: each offered port it takes is reachable under the same number at the offer's hostname, and in
 * its container under the number its mapping names, or else under the same number.
 * Source of the rule for mappings: Mesos `src/docker/docker.cpp`: each host port must be among the task's resources.
 */
export function portsOf(info: TaskInfo, context: PodContext): Translated<readonly ContainerPort[]> {
  const taken = takenPorts(info.resources);
  if (!taken.ok) return taken;
  const missing = taken.value.find((port) => !isOffered(port, context.offeredPorts ?? []));
  if (missing !== undefined)
    return refuse(`resources: port ${missing} is not among the ports of the accepted offers`);
  const mappings = mappingsOf(info, new Set(taken.value));
  if (!mappings.ok) return mappings;
  if (mappings.value.length > 0) return mappings;
  return ok(taken.value.map((port) => ({ containerPort: port, hostPort: port, protocol: 'TCP' })));
}

/** Every port the `ports` resources name, in order. */
export function takenPorts(resources: readonly MesosResource[]): Translated<readonly number[]> {
  const ports = new Set<number>();
  for (const one of resources.filter(({ name }) => name === PORTS)) {
    if (one.type !== 'RANGES' || one.ranges === undefined)
      return refuse("resources: 'ports' must be of type RANGES with ranges");
    for (const { begin, end } of one.ranges.range) {
      if (begin < 1 || end > HIGHEST_PORT || begin > end)
        return refuse(`resources: 'ports' has the range ${begin}-${end}; expected 1 to 65535`);
      if (end - begin >= MAX_PORTS || ports.size >= MAX_PORTS)
        return refuse(`resources: 'ports' names more than ${MAX_PORTS} ports; take fewer`);
      for (let port = begin; port <= end; port += 1) {
        if (ports.has(port)) return refuse(`resources: 'ports' names port ${port} twice`);
        ports.add(port);
      }
    }
  }
  return ok([...ports].toSorted((left, right) => left - right));
}

const isOffered = (port: number, offered: readonly PortRange[]): boolean =>
  offered.some(({ begin, end }) => begin <= port && port <= end);

function mappingsOf(
  info: TaskInfo,
  taken: ReadonlySet<number>,
): Translated<readonly ContainerPort[]> {
  const docker = info.container?.docker;
  const fields: readonly (readonly [string, readonly PortMapping[]])[] = [
    ['container.docker.port_mappings', docker?.port_mappings ?? []],
    ...(info.container?.network_infos ?? []).map(
      (one, index) =>
        [`container.network_infos[${index}].port_mappings`, one.port_mappings] as const,
    ),
  ];
  const ports: ContainerPort[] = [];
  for (const [field, mappings] of fields) {
    if (mappings.length > 0 && (docker?.network === 'HOST' || docker?.network === 'NONE'))
      return refuse(`${field}: port mappings need the network BRIDGE or USER`);
    for (const [index, mapping] of mappings.entries()) {
      const port = mappedPort(mapping, `${field}[${index}]`, taken);
      if (!port.ok) return port;
      ports.push(port.value);
    }
  }
  return ok(ports);
}

function mappedPort(
  { host_port, container_port, protocol }: PortMapping,
  field: string,
  taken: ReadonlySet<number>,
): Translated<ContainerPort> {
  if (!taken.has(host_port))
    return refuse(`${field}.host_port: ${host_port} is not among the task's 'ports' resources`);
  if (container_port < 1 || container_port > HIGHEST_PORT)
    return refuse(`${field}.container_port: ${container_port} is no port`);
  const upper = (protocol ?? 'tcp').toUpperCase();
  if (!PROTOCOLS.has(upper))
    return refuse(`${field}.protocol: '${protocol}' is none of tcp, udp, sctp`);
  return ok({ containerPort: container_port, hostPort: host_port, protocol: upper });
}
