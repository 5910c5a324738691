import type { FrameworkHubConfig } from '../controllers/framework/types.ts';
import type { VolumeConfig } from '../controllers/volume/folderPod.ts';

/** Every setting of the operator; times in milliseconds. */
export interface OperatorConfig {
  /** Differs for every process ever started. */
  readonly identity: string;
  /** Namespace of the lease. */
  readonly namespace: string;
  readonly leaseName: string;
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  /** Changes within this time are answered by one allocation cycle. */
  readonly batchMs: number;
  /** An allocation cycle gives way to everything else after about this long; 0: wherever it may. */
  readonly sliceMs: number;
  /** A cycle runs at least this often. */
  readonly safetyNetMs: number;
  readonly offerTimeoutMs: number;
  /** How long a dead Pod keeps its name taken. */
  readonly retentionMs: number;
  /** Tasks of a node that is not ready for longer are lost and replaced. */
  readonly lostAfterMs: number;
  /** How long a task waits before others may be preempted for it. */
  readonly preemptionDelayMs: number;
  /** After the server's history went backwards: nothing is killed for this long. */
  readonly quarantineMs: number;
  /** A watch without news for this long is started again; the server sends a bookmark about once a minute. */
  readonly watchSilentMs: number;
  /** A watch without news for longer makes the process unfit to lead. */
  readonly watchStaleMs: number;
  /** Persistent volumes of frameworks: where they are on agents, and the image that looks after their folders. */
  readonly volumes: Pick<VolumeConfig, 'root' | 'image'>;
  readonly frameworks: Omit<FrameworkHubConfig, 'epoch'>;
}

export const DEFAULT_CONFIG: Omit<OperatorConfig, 'identity' | 'namespace' | 'frameworks'> = {
  leaseName: 'mezzo-operator',
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
  batchMs: 10,
  sliceMs: 8,
  safetyNetMs: 5_000,
  offerTimeoutMs: 60_000,
  retentionMs: 120_000,
  lostAfterMs: 300_000,
  preemptionDelayMs: 1_000,
  quarantineMs: 300_000,
  watchSilentMs: 150_000,
  watchStaleMs: 210_000,
  volumes: { root: '/var/lib/mezzo/volumes', image: 'docker.io/library/busybox:1.36' },
};
