import type { Brand } from './brand.ts';

/** Name of the Kubernetes Node, and of the Agent object of the same name. */
export type AgentId = Brand<string, 'AgentId'>;
/** Framework id as Mesos writes it; for Mezzo's own job scheduler it is `JOBS_FRAMEWORK`. */
export type FrameworkId = Brand<string, 'FrameworkId'>;
/** Offer id: `<epoch>-<sequence>`, so that an accept sent to a former leader is refused. */
export type OfferId = Brand<string, 'OfferId'>;
/** Task id as its framework chose it (Mezzo's own tasks: the Pod name). */
export type TaskId = Brand<string, 'TaskId'>;
/** Path of a role in the role tree: `eng/web`; `*` is the default role. */
export type RolePath = Brand<string, 'RolePath'>;

export const agentId = (value: string): AgentId => value as AgentId;
export const frameworkId = (value: string): FrameworkId => value as FrameworkId;
export const offerId = (value: string): OfferId => value as OfferId;
export const taskId = (value: string): TaskId => value as TaskId;
export const rolePath = (value: string): RolePath => value as RolePath;

/** The framework id under which Mezzo's own jobs are scheduled. */
export const JOBS_FRAMEWORK: FrameworkId = frameworkId('mezzo-jobs');
