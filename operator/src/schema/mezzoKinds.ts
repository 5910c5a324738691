import type { z } from 'zod';
import type { KubeObject, ResourceRef } from '../ports/kubeApi.ts';
import type { AdhocJob } from './crd/adhocJob.ts';
import type { Agent } from './crd/agent.ts';
import type { CronJob } from './crd/cronJob.ts';
import type { Framework } from './crd/framework.ts';
import type { MaintenanceWindow } from './crd/maintenanceWindow.ts';
import type { Quota } from './crd/quota.ts';
import type { Reservation } from './crd/reservation.ts';
import type { Role } from './crd/role.ts';
import type { ServiceJob } from './crd/serviceJob.ts';

/** API group and version of every Mezzo kind. */
export const GROUP = 'mezzo.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

const mezzo = (plural: string, kind: string, namespaced: boolean): ResourceRef => ({
  group: GROUP,
  version: VERSION,
  plural,
  kind,
  namespaced,
});

export const ROLES = mezzo('roles', 'Role', false);
export const QUOTAS = mezzo('quotas', 'Quota', false);
export const RESERVATIONS = mezzo('reservations', 'Reservation', false);
export const SERVICE_JOBS = mezzo('servicejobs', 'ServiceJob', true);
export const CRON_JOBS = mezzo('cronjobs', 'CronJob', true);
export const ADHOC_JOBS = mezzo('adhocjobs', 'AdhocJob', true);
export const FRAMEWORKS = mezzo('frameworks', 'Framework', true);
export const AGENTS = mezzo('agents', 'Agent', false);
export const MAINTENANCE_WINDOWS = mezzo('maintenancewindows', 'MaintenanceWindow', false);

export type RoleObject = KubeObject & z.infer<typeof Role>;
export type QuotaObject = KubeObject & z.infer<typeof Quota>;
export type ReservationObject = KubeObject & z.infer<typeof Reservation>;
export type ServiceJobObject = KubeObject & z.infer<typeof ServiceJob>;
export type CronJobObject = KubeObject & z.infer<typeof CronJob>;
export type AdhocJobObject = KubeObject & z.infer<typeof AdhocJob>;
export type FrameworkObject = KubeObject & z.infer<typeof Framework>;
export type AgentObject = KubeObject & z.infer<typeof Agent>;
export type MaintenanceWindowObject = KubeObject & z.infer<typeof MaintenanceWindow>;
