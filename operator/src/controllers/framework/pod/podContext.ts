import type { RolePath } from '../../../model/ids.ts';
import type { Result } from '../../../model/result.ts';
import type { FrameworkObject } from '../../../schema/mezzoKinds.ts';
import type { FrameworkPlace } from '../types.ts';
import type { FetcherConfig, HeldVolume, PortRange } from './podConfig.ts';
import type { Privileges } from './privileges.ts';

/** What a task's Pod takes from its framework, its offers and the operator's configuration. */
export interface PodContext {
  readonly place: FrameworkPlace;
  readonly role: RolePath;
  readonly podTemplate: FrameworkObject['spec']['podTemplate'];
  readonly defaultImage: string;
  readonly runAsUser: number;
  /** Absent: no URIs are served. */
  readonly fetcher?: FetcherConfig;
  /** Ports of the accepted offers; absent: none. */
  readonly offeredPorts?: readonly PortRange[];
  /** Persistent volumes of the accepted offers; absent: none. */
  readonly volumes?: readonly HeldVolume[];
  /** What else the framework's principal may ask for; absent: nothing. */
  readonly privileges?: Privileges;
}

/** A value, or a text that names the field and says why not, for TASK_ERROR with REASON_TASK_INVALID. */
export type Translated<T> = Result<T, string>;

/** Where a Mesos task finds its sandbox. Source: Mesos `src/slave/flags.cpp`, `sandbox_directory`. */
export const SANDBOX = '/mnt/mesos/sandbox';

/** A name that is a DNS label. */
export const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
