import type { KubeObject } from '../../operator/src/ports/kubeApi.ts';
import type { ServiceJobObject } from '../../operator/src/schema/mezzoKinds.ts';

/** The objects users of the simulation write. */

export const NAMESPACE = 'apps';
/** The job that asks for more than its role's limit: half of it must stay pending. */
export const CAPPED = {
  role: 'capped',
  job: 'capped',
  limitMillis: 1000,
  instances: 4,
  eachMillis: 500,
} as const;

/** In a tight run: a job of the lowest tier that takes all there is, so that every other job must preempt it. */
export const FILLER = { role: 'ops', job: 'filler', eachMillis: 500 } as const;

export function keyOf({ metadata }: KubeObject): {
  readonly name: string;
  readonly namespace: string;
} {
  return { name: metadata.name, namespace: metadata.namespace ?? '' };
}

export interface Script {
  readonly seconds: number;
  readonly exitCode: number;
}

export function task(
  image: string,
  cpuMillis: number,
  script?: Script,
): ServiceJobObject['spec']['template'] & { env: { name: string; value: string }[] } {
  const env =
    script === undefined
      ? []
      : [
          { name: 'SIM_DURATION_SECONDS', value: String(script.seconds) },
          { name: 'SIM_EXIT_CODE', value: String(script.exitCode) },
        ];
  return { image, resources: { cpus: `${cpuMillis}m`, mem: '128Mi' }, killGraceSeconds: 5, env };
}

export function serviceJob(
  name: string,
  role: string,
  instances: number,
  cpuMillis: number,
): ServiceJobObject {
  return {
    metadata: { name, namespace: NAMESPACE },
    spec: {
      role,
      instances,
      template: task('service:1', cpuMillis),
      // A failed update would rightly stop short of the newest template; here every update must arrive.
      update: {
        watchSeconds: 2,
        maxPerInstanceFailures: 100,
        maxFailedInstances: 10_000,
        rollbackOnFailure: false,
      },
    },
  };
}
