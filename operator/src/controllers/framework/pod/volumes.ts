import { ok, refuse } from '../../../model/result.ts';
import type { PodVolume, VolumeMount } from '../../../schema/kubeObjects.ts';
import type { Volume } from '../../../schema/mesos/container.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { secretKeyOf } from './environment.ts';
import { type PodContext, SANDBOX, type Translated } from './podContext.ts';
import { privilegeFault } from './privileges.ts';
import { pathFault } from './uris.ts';

export interface TaskVolumes {
  readonly volumes: readonly PodVolume[];
  readonly mounts: readonly VolumeMount[];
}

/** Names of the volumes a task finds. */
export interface SandboxNames {
  readonly sandbox: string;
  /** What the tasks of a group share; undefined outside of groups. */
  readonly shared: string | undefined;
}

const MAX_VOLUMES = 64;

/**
 * The volumes of a ContainerInfo: folders of the sandbox, entries of Secrets, and paths of the host for principals that
 * may mount them. Source of the rules: Mesos `src/common/validation.cpp`, `validateVolume`; `src/docker/docker.cpp`.
 */
export function volumesOf(
  info: TaskInfo,
  context: PodContext,
  names: SandboxNames,
): Translated<TaskVolumes> {
  const listed = info.container?.volumes ?? [];
  if (listed.length > MAX_VOLUMES) return refuse(`container.volumes: more than ${MAX_VOLUMES}`);
  const volumes: PodVolume[] = [];
  const mounts: VolumeMount[] = [];
  for (const [index, volume] of listed.entries()) {
    const field = `container.volumes[${index}]`;
    const mountPath = mountPathOf(volume.container_path);
    if (!mountPath.ok) return refuse(`${field}.container_path: ${mountPath.refusal}`);
    if (mounts.some((one) => one.mountPath === mountPath.value))
      return refuse(`${field}.container_path: '${mountPath.value}' is taken by another volume`);
    const what = contentOf(volume, field, { context, names, name: `${names.sandbox}-${index}` });
    if (!what.ok) return what;
    if (what.value.volume !== undefined) volumes.push(what.value.volume);
    mounts.push({
      ...what.value.mount,
      mountPath: mountPath.value,
      ...(volume.mode === 'RO' ? { readOnly: true } : {}),
    });
  }
  return ok({ volumes, mounts });
}

interface Content {
  readonly volume?: PodVolume;
  readonly mount: Pick<VolumeMount, 'name' | 'subPath' | 'readOnly'>;
}

interface Around {
  readonly context: PodContext;
  readonly names: SandboxNames;
  /** Name of the volume, when one has to be made. */
  readonly name: string;
}

function contentOf(volume: Volume, field: string, around: Around): Translated<Content> {
  const given = [volume.host_path, volume.image, volume.source];
  if (given.filter((one) => one !== undefined).length !== 1)
    return refuse(`${field}: exactly one of host_path, image and source must be set`);
  if (volume.image !== undefined)
    return refuse(`${field}.image: images are not mounted as volumes`);
  if (volume.host_path !== undefined) {
    if (volume.host_path.startsWith('/'))
      return hostContent(volume.host_path, `${field}.host_path`, around);
    if (!volume.container_path.startsWith('/'))
      return refuse(`${field}: host_path and container_path are both relative`);
    return sandboxContent(volume.host_path, `${field}.host_path`, around.names.sandbox);
  }
  return sourceContent(volume.source ?? {}, `${field}.source`, around);
}

function sourceContent(
  source: NonNullable<Volume['source']>,
  field: string,
  around: Around,
): Translated<Content> {
  switch (source.type) {
    case undefined:
      return refuse(`${field}.type: is missing or unknown`);
    case 'HOST_PATH':
      return source.host_path === undefined
        ? refuse(`${field}.host_path: must be set for a HOST_PATH volume`)
        : hostContent(source.host_path.path, `${field}.host_path.path`, around);
    case 'SANDBOX_PATH': {
      if (source.sandbox_path === undefined)
        return refuse(`${field}.sandbox_path: must be set for a SANDBOX_PATH volume`);
      const { type, path } = source.sandbox_path;
      const { sandbox, shared } = around.names;
      if (type !== 'PARENT') return sandboxContent(path, `${field}.sandbox_path.path`, sandbox);
      if (shared === undefined)
        return refuse(`${field}.sandbox_path.type: PARENT is for tasks of a group`);
      return sandboxContent(path, `${field}.sandbox_path.path`, shared);
    }
    case 'SECRET': {
      if (source.secret === undefined)
        return refuse(`${field}.secret: must be set for a SECRET volume`);
      const secret = secretKeyOf(source.secret, `${field}.secret`);
      return secret.ok ? ok(secretContent(secret.value, around.name)) : secret;
    }
    case 'DOCKER_VOLUME':
      return refuse(`${field}.docker_volume: Docker's volume drivers do not exist here`);
    case 'CSI_VOLUME':
      return refuse(`${field}.csi_volume: volumes given by a client are not mounted`);
  }
}

function hostContent(path: string, field: string, { context, name }: Around): Translated<Content> {
  const { privileges, place } = context;
  const fault = privilegeFault(privileges, 'host-path', place.namespace, field);
  if (fault !== undefined) return refuse(fault);
  if (!path.startsWith('/') || path.split('/').includes('..'))
    return refuse(`${field}: must be an absolute path without '..'`);
  return ok({ volume: { name, hostPath: { path } }, mount: { name } });
}

function sandboxContent(path: string, field: string, name: string): Translated<Content> {
  const subPath = path.replace(/^\.\//, '');
  const fault = pathFault(subPath);
  if (fault !== undefined) return refuse(`${field}: ${fault}`);
  return ok({ mount: { name, subPath } });
}

/** The entry as one file, the way Mesos mounts a secret. */
function secretContent(
  secret: { readonly name: string; readonly key: string },
  name: string,
): Content {
  const items = [{ key: secret.key, path: 'value' }];
  return {
    volume: { name, secret: { secretName: secret.name, items } },
    mount: { name, subPath: 'value', readOnly: true },
  };
}

/** A relative path is one below the sandbox. */
export function mountPathOf(path: string): Translated<string> {
  const absolute = path.startsWith('/') ? path : `${SANDBOX}/${path}`;
  const fault = pathFault(absolute.slice(1).replace(/\/$/, ''));
  if (fault !== undefined) return refuse(fault);
  if (absolute.includes(':')) return refuse("must not hold ':'");
  const clean = absolute.replace(/\/$/, '');
  return clean === SANDBOX ? refuse('the sandbox itself is there') : ok(clean);
}
