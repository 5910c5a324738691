import type { KillPolicy } from '../../../schema/mesos/task.ts';

/** Grace of Mesos's command executor. Source: Mesos `src/launcher/executor.cpp`. */
const DEFAULT_GRACE_SECONDS = 3;
const MAX_GRACE_SECONDS = 86_400;

/** The grace a kill policy asks for, in whole seconds rounded up; the default without one; undefined when negative. */
export function graceSecondsOf(policy: KillPolicy | undefined): number | undefined {
  const nanoseconds = policy?.grace_period?.nanoseconds;
  if (nanoseconds === undefined) return DEFAULT_GRACE_SECONDS;
  if (nanoseconds < 0) return undefined;
  return Math.min(Math.ceil(nanoseconds / 1e9), MAX_GRACE_SECONDS);
}
