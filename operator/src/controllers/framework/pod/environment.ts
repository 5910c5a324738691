import { ok, refuse } from '../../../model/result.ts';
import type { EnvVar } from '../../../schema/kubeObjects.ts';
import type { EnvironmentVariable, Secret } from '../../../schema/mesos/command.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { literal } from './command.ts';
import { type PodContext, SANDBOX, type Translated } from './podContext.ts';

const MAX_ENV = 1_000;
/** What Kubernetes takes as the name of an environment variable: printable ASCII without `=`. */
const ENV_NAME = /^[\u0020-\u003c\u003e-\u007e]{1,253}$/;
const SECRET_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const SECRET_KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/**
 * The environment of a task: its own variables, then what Mesos tells every task, which none of its own can replace.
 * A later variable of the same name wins, as in a process's environment; Kubernetes wants each name once.
 * Mesos sets no `PORT` variables: frameworks write those themselves.
 * Source: Mesos `src/slave/slave.cpp`, `executorEnvironment`; `src/launcher/executor.cpp`.
 */
export function environmentOf(
  info: TaskInfo,
  extra: readonly EnvVar[],
  context: PodContext,
): Translated<readonly EnvVar[]> {
  const listed = info.command?.environment?.variables ?? [];
  if (listed.length > MAX_ENV) return refuse(`command.environment: more than ${MAX_ENV} variables`);
  const variables = new Map<string, EnvVar>();
  for (const [index, one] of listed.entries()) {
    const variable = variableOf(one, `command.environment.variables[${index}]`);
    if (!variable.ok) return variable;
    variables.set(variable.value.name, variable.value);
  }
  for (const one of extra) variables.set(one.name, one);
  for (const [name, value] of Object.entries(toldByMesos(info, context)))
    variables.set(name, { name, value: literal(value) });
  return ok([...variables.values()]);
}

function toldByMesos(info: TaskInfo, { place, role }: PodContext): { [name: string]: string } {
  return {
    MESOS_TASK_ID: info.task_id.value,
    MESOS_FRAMEWORK_ID: place.id,
    MESOS_EXECUTOR_ID: info.executor?.executor_id.value ?? info.task_id.value,
    MESOS_SLAVE_ID: info.agent_id.value,
    MESOS_AGENT_ID: info.agent_id.value,
    MESOS_ALLOCATION_ROLE: role,
    MESOS_SANDBOX: SANDBOX,
    MESOS_DIRECTORY: SANDBOX,
  };
}

/** Source of the rules: Mesos `src/common/validation.cpp`, `validateEnvironment`. */
function variableOf(one: EnvironmentVariable, field: string): Translated<EnvVar> {
  if (!ENV_NAME.test(one.name))
    return refuse(
      `${field}.name: a variable name is empty, holds a control character or is too long`,
    );
  if (one.type !== 'SECRET') {
    if (one.secret !== undefined)
      return refuse(`${field}: '${one.name}' of type VALUE must not have a secret set`);
    if (one.value === undefined)
      return refuse(`${field}: '${one.name}' of type VALUE must have a value set`);
    if (one.value.includes('\u0000'))
      return refuse(`${field}.value: '${one.name}' must not contain null characters`);
    return ok({ name: one.name, value: literal(one.value) });
  }
  if (one.secret === undefined)
    return refuse(`${field}: '${one.name}' of type SECRET must have a secret set`);
  if (one.value !== undefined)
    return refuse(`${field}: '${one.name}' of type SECRET must not have a value set`);
  const secret = secretKeyOf(one.secret, `${field}.secret`);
  if (!secret.ok) return secret;
  return ok({ name: one.name, valueFrom: { secretKeyRef: secret.value } });
}

/** The entry of a Kubernetes Secret, in the task's own namespace, that a Mesos secret refers to. */
export function secretKeyOf(
  secret: Secret,
  field: string,
): Translated<{ readonly name: string; readonly key: string }> {
  if (secret.type === 'REFERENCE' && secret.value !== undefined)
    return refuse(`${field}.value: must not be set for a secret of type REFERENCE`);
  if (secret.type === 'VALUE' || (secret.value !== undefined && secret.reference === undefined))
    return refuse(
      `${field}.value: everybody who can read the Pod could read it; make a Secret in the framework's namespace and refer to it by reference.name and reference.key`,
    );
  if (secret.reference === undefined)
    return refuse(`${field}.reference: must be set for a secret of type REFERENCE`);
  const { name, key } = secret.reference;
  if (!SECRET_NAME.test(name))
    return refuse(`${field}.reference.name: is not the name of a Secret (a DNS subdomain)`);
  if (key === undefined || !SECRET_KEY.test(key))
    return refuse(`${field}.reference.key: must name an entry of the Secret '${name}'`);
  return ok({ name, key });
}
