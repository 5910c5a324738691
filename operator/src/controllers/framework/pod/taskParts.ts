import { amountOf } from '../../../model/resources.ts';
import { ok, refuse } from '../../../model/result.ts';
import type { Container, Pod, PodVolume } from '../../../schema/kubeObjects.ts';
import type { TaskAmounts } from '../../../schema/mesos/resource.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { formatQuantity } from '../../../schema/quantity.ts';
import { probesOf } from './checks.ts';
import { commandOf } from './command.ts';
import { extrasOf, imageOf } from './containerInfo.ts';
import { environmentOf } from './environment.ts';
import { persistentVolumesOf } from './persistentVolumes.ts';
import { type PodContext, SANDBOX, type Translated } from './podContext.ts';
import { portsOf } from './ports.ts';
import { amountsOf, requirementsOf } from './taskResources.ts';
import { fetcherOf } from './uris.ts';
import { volumesOf } from './volumes.ts';

/** What one task contributes to its Pod. */
export interface TaskParts {
  readonly amounts: TaskAmounts;
  readonly container: Container;
  /** Init container that fetches its URIs. */
  readonly fetcher: Container | undefined;
  readonly volumes: readonly PodVolume[];
  /** Names of the persistent volumes it holds. */
  readonly persistent: readonly string[];
  readonly pod: Pick<
    Pod['spec'],
    'hostname' | 'hostNetwork' | 'dnsConfig' | 'hostAliases' | 'imagePullSecrets'
  >;
}

export interface PartNames {
  readonly container: string;
  readonly fetcher: string;
  /** Volume of the task's own sandbox. */
  readonly sandbox: string;
  /** Volume that the tasks of a group share; undefined outside of groups. */
  readonly shared: string | undefined;
}

/** Container, volumes and Pod fields of one task; checks follow Mesos's order. */
export function partsOf(
  info: TaskInfo,
  context: PodContext,
  names: PartNames,
): Translated<TaskParts> {
  const { command } = info;
  if (command === undefined) return refuse('command: must be set');
  const probes = probesOf(info);
  if (!probes.ok) return probes;
  const amounts = amountsOf(info);
  if (!amounts.ok) return amounts;
  const image = imageOf(info, context);
  if (!image.ok) return image;
  const extras = extrasOf(info, context, names.sandbox);
  if (!extras.ok) return extras;
  const argv = commandOf(command, image.value);
  if (!argv.ok) return argv;
  const env = environmentOf(info, extras.value.parameters.env, context);
  if (!env.ok) return env;
  const fetcher = fetcherOf(info, context, { container: names.fetcher, sandbox: names.sandbox });
  if (!fetcher.ok) return fetcher;
  const persistent = persistentVolumesOf(info, context);
  if (!persistent.ok) return persistent;
  const volumes = volumesOf(info, context, names);
  if (!volumes.ok) return volumes;
  const twice = persistent.value.mounts.find(({ mountPath }) =>
    volumes.value.mounts.some((one) => one.mountPath === mountPath),
  );
  if (twice !== undefined)
    return refuse(`container.volumes: '${twice.mountPath}' is taken by a persistent volume`);
  const ports = portsOf(info, context);
  if (!ports.ok) return ports;
  const requirements = requirementsOf(info, amounts.value);
  if (!requirements.ok) return requirements;
  const { own, docker: _docker, pullSecret, ...imageFields } = image.value;
  const { entrypoint, workingDir = own ? undefined : SANDBOX } = extras.value.parameters;
  return ok({
    amounts: amounts.value,
    container: {
      name: names.container,
      ...imageFields,
      ...argv.value,
      ...(entrypoint === undefined ? {} : { command: [entrypoint] }),
      // An image of the framework's own choice keeps its working directory, as in Mesos's Docker containerizer.
      ...(workingDir === undefined ? {} : { workingDir }),
      env: env.value,
      ...(ports.value.length === 0 ? {} : { ports: ports.value }),
      resources: requirements.value,
      ...probes.value,
      securityContext: extras.value.securityContext,
      ...(extras.value.tty ? { tty: true } : {}),
      volumeMounts: [
        { name: names.sandbox, mountPath: SANDBOX },
        ...persistent.value.mounts,
        ...volumes.value.mounts,
        ...extras.value.mounts,
      ],
    },
    fetcher: fetcher.value,
    volumes: [
      sandboxVolume(names.sandbox, amounts.value, persistent.value.ownBytes),
      ...persistent.value.volumes,
      ...volumes.value.volumes,
      ...extras.value.volumes,
    ],
    persistent: persistent.value.names,
    pod: {
      ...extras.value.pod,
      ...(pullSecret === undefined ? {} : { imagePullSecrets: [{ name: pullSecret }] }),
    },
  });
}

/** A task that asked for disk gets that much of it: beyond it the kubelet ends the task. */
function sandboxVolume(name: string, { resources }: TaskAmounts, volumeBytes: number): PodVolume {
  const diskBytes = amountOf(resources, 'disk') - volumeBytes;
  return {
    name,
    emptyDir: diskBytes === 0 ? {} : { sizeLimit: formatQuantity('disk', diskBytes) },
  };
}
