import type { ServiceJobObject } from '../../schema/mezzoKinds.ts';
import type { JobFacts } from '../job/types.ts';

export type ServiceJobFacts = JobFacts<
  ServiceJobObject['spec'],
  NonNullable<ServiceJobObject['status']>
>;
