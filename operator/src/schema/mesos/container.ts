import { z } from 'zod';
import { Secret } from './command.ts';
import { Integer, listOf, optionalEnum } from './lenient.ts';

/** Mesos `ContainerInfo` and what it is made of. Source: Mesos `include/mesos/v1/mesos.proto`. */

/** Something whose presence alone matters. */
const Present = z.object({});

const PortMapping = z.object({
  host_port: Integer,
  container_port: Integer,
  protocol: z.string().optional(),
});
export type PortMapping = z.infer<typeof PortMapping>;

const DockerInfo = z.object({
  image: z.string(),
  network: optionalEnum(['HOST', 'BRIDGE', 'NONE', 'USER']),
  port_mappings: listOf(PortMapping),
  privileged: z.boolean().optional(),
  parameters: listOf(z.object({ key: z.string(), value: z.string().optional() })),
  force_pull_image: z.boolean().optional(),
  volume_driver: z.string().optional(),
});
export type DockerParameter = z.infer<typeof DockerInfo>['parameters'][number];

const Image = z.object({
  type: optionalEnum(['APPC', 'DOCKER']),
  docker: z.object({ name: z.string(), config: Secret.optional() }).optional(),
  cached: z.boolean().optional(),
});

const VolumeSource = z.object({
  type: optionalEnum(['DOCKER_VOLUME', 'HOST_PATH', 'SANDBOX_PATH', 'SECRET', 'CSI_VOLUME']),
  docker_volume: z.object({ driver: z.string().optional(), name: z.string() }).optional(),
  host_path: z.object({ path: z.string(), mount_propagation: Present.optional() }).optional(),
  sandbox_path: z.object({ type: optionalEnum(['SELF', 'PARENT']), path: z.string() }).optional(),
  secret: Secret.optional(),
  csi_volume: z
    .object({ plugin_name: z.string(), static_provisioning: Present.optional() })
    .optional(),
});

const Volume = z.object({
  mode: optionalEnum(['RW', 'RO']),
  container_path: z.string(),
  host_path: z.string().optional(),
  image: Present.optional(),
  source: VolumeSource.optional(),
});
export type Volume = z.infer<typeof Volume>;

const NetworkInfo = z.object({
  name: z.string().optional(),
  ip_addresses: listOf(z.object({ ip_address: z.string().optional() })),
  port_mappings: listOf(PortMapping),
});

/** Names only: `NET_ADMIN`, as the kernel has them without their `CAP_`. */
const CapabilityInfo = z.object({ capabilities: listOf(z.string()) });

const LinuxInfo = z.object({
  capability_info: CapabilityInfo.optional(),
  bounding_capabilities: CapabilityInfo.optional(),
  effective_capabilities: CapabilityInfo.optional(),
  share_pid_namespace: z.boolean().optional(),
  seccomp: z
    .object({ profile_name: z.string().optional(), unconfined: z.boolean().optional() })
    .optional(),
  ipc_mode: optionalEnum(['PRIVATE', 'SHARE_PARENT']),
  /** In MB. */
  shm_size: Integer.optional(),
  share_cgroups: z.boolean().optional(),
});
export type LinuxInfo = z.infer<typeof LinuxInfo>;

export const ContainerInfo = z.object({
  type: optionalEnum(['DOCKER', 'MESOS']),
  volumes: listOf(Volume),
  hostname: z.string().optional(),
  docker: DockerInfo.optional(),
  mesos: z.object({ image: Image.optional() }).optional(),
  network_infos: listOf(NetworkInfo),
  linux_info: LinuxInfo.optional(),
  rlimit_info: Present.optional(),
  tty_info: Present.optional(),
});
export type ContainerInfo = z.infer<typeof ContainerInfo>;
