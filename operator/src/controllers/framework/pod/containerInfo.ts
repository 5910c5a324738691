import { ok, refuse } from '../../../model/result.ts';
import type { Container, Pod, PodVolume, VolumeMount } from '../../../schema/kubeObjects.ts';
import type { ContainerInfo, LinuxInfo } from '../../../schema/mesos/container.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { RESTRICTED_CONTAINER } from '../../task/buildTaskPod.ts';
import { type ParameterEffects, parameterEffects } from './dockerParameters.ts';
import { DNS_LABEL, type PodContext, type Translated } from './podContext.ts';
import { capabilityFault, privilegeFault } from './privileges.ts';

export interface TaskImage extends Pick<Container, 'image' | 'imagePullPolicy'> {
  readonly image: string;
  /** The task names it itself. */
  readonly own: boolean;
  readonly docker: boolean;
  readonly pullSecret?: string;
}

/** The image of a task: its own, its framework's, or the operator's default. */
export function imageOf(info: TaskInfo, context: PodContext): Translated<TaskImage> {
  const { docker, mesos } = info.container ?? {};
  const pulled = mesos?.image?.docker;
  if (mesos?.image !== undefined && (mesos.image.type === 'APPC' || pulled === undefined))
    return refuse('container.mesos.image: only DOCKER images are run');
  const named = docker?.image ?? pulled?.name;
  const image = named ?? context.podTemplate?.image ?? context.defaultImage;
  if (image === '' || image.length > 512 || /\s/.test(image))
    return refuse('container: the image name is empty, too long or holds white space');
  const pullSecret = pulled?.config?.reference?.name;
  if (pulled?.config !== undefined && pullSecret === undefined)
    return refuse(
      'container.mesos.image.docker.config: must refer to a Secret of type kubernetes.io/dockerconfigjson by reference.name',
    );
  return ok({
    image,
    imagePullPolicy: pullPolicyOf(info, context),
    own: named !== undefined,
    docker: docker !== undefined,
    ...(pullSecret === undefined ? {} : { pullSecret }),
  });
}

function pullPolicyOf({ container }: TaskInfo, { podTemplate }: PodContext): string {
  const forced =
    container?.docker?.force_pull_image === true || container?.mesos?.image?.cached === false;
  return forced ? 'Always' : (podTemplate?.imagePullPolicy ?? 'IfNotPresent');
}

/** What of a ContainerInfo is neither image, ports nor volumes. */
export interface ContainerExtras {
  readonly securityContext: NonNullable<Container['securityContext']>;
  readonly parameters: ParameterEffects;
  readonly tty: boolean;
  readonly volumes: readonly PodVolume[];
  readonly mounts: readonly VolumeMount[];
  readonly pod: Pick<Pod['spec'], 'hostname' | 'hostNetwork' | 'dnsConfig' | 'hostAliases'>;
}

export function extrasOf(
  info: TaskInfo,
  context: PodContext,
  sandbox: string,
): Translated<ContainerExtras> {
  const container = info.container;
  const fault = container === undefined ? undefined : containerFault(container, context);
  if (fault !== undefined) return refuse(fault);
  const parameters = parameterEffects(container?.docker?.parameters ?? [], context);
  if (!parameters.ok) return parameters;
  const wished = capabilitiesOf(container?.linux_info);
  const missing = wished
    .map((one) => capabilityFault(one, context, 'container.linux_info'))
    .find((one) => one !== undefined);
  if (missing !== undefined) return refuse(missing);
  const added = [...wished, ...parameters.value.addCapabilities];
  const shm = container?.linux_info?.shm_size ?? 0;
  const shmName = `${sandbox}-shm`;
  const hostNetwork = container?.docker?.network === 'HOST';
  return ok({
    securityContext: securityOf(info, parameters.value, added),
    parameters: parameters.value,
    tty: container?.tty_info !== undefined,
    volumes:
      shm > 0 ? [{ name: shmName, emptyDir: { medium: 'Memory', sizeLimit: `${shm}Mi` } }] : [],
    mounts: shm > 0 ? [{ name: shmName, mountPath: '/dev/shm' }] : [],
    pod: {
      ...parameters.value.pod,
      ...(container?.hostname === undefined ? {} : { hostname: container.hostname }),
      ...(hostNetwork ? { hostNetwork } : {}),
    },
  });
}

function capabilitiesOf(linux: LinuxInfo | undefined): readonly string[] {
  return [linux?.capability_info, linux?.bounding_capabilities, linux?.effective_capabilities]
    .flatMap((one) => one?.capabilities ?? [])
    .filter((one) => one !== 'UNKNOWN');
}

function securityOf(
  info: TaskInfo,
  parameters: ParameterEffects,
  added: readonly string[],
): ContainerExtras['securityContext'] {
  const user = parameters.runAsUser ?? userOf(info.command?.user);
  const common = {
    ...(user === undefined ? {} : { runAsUser: user }),
    ...(parameters.readOnlyRootFilesystem ? { readOnlyRootFilesystem: true } : {}),
  };
  if (info.container?.docker?.privileged === true)
    return { ...common, privileged: true, allowPrivilegeEscalation: true };
  const add = [...new Set(added)].toSorted();
  return {
    ...RESTRICTED_CONTAINER,
    ...(add.length === 0 ? {} : { capabilities: { ...RESTRICTED_CONTAINER.capabilities, add } }),
    ...common,
  };
}

/** Names of users mean nothing in an image nobody has looked into; only numbers are followed, and never to root. */
function userOf(user: string | undefined): number | undefined {
  const uid = user === undefined || !/^\d{1,9}$/.test(user) ? 0 : Number(user);
  return uid > 0 ? uid : undefined;
}

/** Source of the rules: Mesos `src/common/validation.cpp`, `validateContainerInfo`. */
function containerFault(container: ContainerInfo, context: PodContext): string | undefined {
  const { docker, linux_info: linux } = container;
  const lacks = (privilege: 'privileged' | 'host-network', field: string): string | undefined =>
    privilegeFault(context.privileges, privilege, context.place.namespace, field);
  if (container.type === 'DOCKER' && docker === undefined)
    return 'container.docker: must be set for a container of type DOCKER';
  if (docker?.privileged === true) {
    const missing = lacks('privileged', 'container.docker.privileged');
    if (missing !== undefined) return missing;
  }
  if (docker?.network === 'HOST') {
    const missing = lacks('host-network', 'container.docker.network: HOST');
    if (missing !== undefined) return `${missing}; offered ports are reachable with BRIDGE too`;
  }
  if (docker?.network === 'NONE')
    return 'container.docker.network: NONE is refused; every Pod has a network (leave it unset, BRIDGE or USER)';
  if (container.hostname !== undefined && !DNS_LABEL.test(container.hostname))
    return `container.hostname: '${container.hostname}' is no DNS label`;
  if (container.rlimit_info !== undefined)
    return 'container.rlimit_info: Kubernetes sets no rlimits; set them in the command (ulimit)';
  return networkFault(container) ?? linuxFault(linux);
}

function networkFault({ network_infos }: ContainerInfo): string | undefined {
  for (const [index, network] of network_infos.entries()) {
    const field = `container.network_infos[${index}]`;
    if (network.name !== undefined && network.name !== '')
      return `${field}.name: a task has the network of its cluster; named networks cannot be joined`;
    if (network.ip_addresses.some((one) => one.ip_address !== undefined))
      return `${field}.ip_addresses: an address cannot be asked for`;
  }
  return undefined;
}

function linuxFault(linux: LinuxInfo | undefined): string | undefined {
  const field = 'container.linux_info';
  if (linux?.share_pid_namespace === true)
    return `${field}.share_pid_namespace: refused; a task sees its own processes only`;
  if (linux?.ipc_mode === 'SHARE_PARENT')
    return `${field}.ipc_mode: SHARE_PARENT is refused; leave it unset or PRIVATE`;
  if (linux?.seccomp !== undefined)
    return `${field}.seccomp: refused; tasks run with the runtime's default profile`;
  return undefined;
}
