import { ok, refuse } from '../../../model/result.ts';
import type { Container } from '../../../schema/kubeObjects.ts';
import type { CommandInfo } from '../../../schema/mesos/command.ts';
import type { Translated } from './podContext.ts';

export interface ImageChoice {
  /** The task names an image of its own. */
  readonly own: boolean;
  readonly docker: boolean;
}

/**
 * `shell` (the default) runs `value` in `/bin/sh -c`. Without it `value` is the program and `arguments` its whole
 * argv, first element included, unless the image is Docker's, where all of them are arguments; without `value` the
 * image's own entrypoint gets the arguments. Source: Mesos `docs/container-image.md`, `src/docker/docker.cpp`.
 */
export function commandOf(
  command: CommandInfo,
  image: ImageChoice,
): Translated<Pick<Container, 'command' | 'args'>> {
  const { value, shell } = command;
  const argv = command.arguments.map(literal);
  if (shell !== false) {
    if (value === undefined || value === '')
      return refuse('command.value: a shell command needs one');
    return ok({ command: ['/bin/sh', '-c', literal(value)] });
  }
  if (value === undefined) {
    if (!image.own)
      return refuse('command.value: without shell and without an image a program must be named');
    return ok(argv.length === 0 ? {} : { args: argv });
  }
  if (image.docker) return ok({ args: [literal(value), ...argv] });
  return ok({ command: [literal(value)], ...(argv.length > 1 ? { args: argv.slice(1) } : {}) });
}

/** The argv of a command that a check runs in the task's container; the kubelet expands nothing in it. */
export function checkCommandOf(command: CommandInfo, field: string): Translated<readonly string[]> {
  const { value } = command;
  if (value === undefined || value === '')
    return refuse(`${field}: must hold a shell command or the path of a program`);
  if ((command.environment?.variables.length ?? 0) > 0)
    return refuse(
      `${field}.environment: a check has the environment of its task; set the variables there`,
    );
  if (command.uris.length > 0)
    return refuse(`${field}.uris: a check fetches nothing; let its task fetch them`);
  if (command.shell !== false) return ok(['/bin/sh', '-c', value]);
  return ok([value, ...command.arguments.slice(1)]);
}

/**
 * A text that reaches the container as it is. The kubelet expands `$(NAME)` and reads `$$` as `$` in commands,
 * arguments and values; Mesos does neither. Source: Kubernetes `third_party/forked/golang/expansion`.
 */
export function literal(text: string): string {
  return /\$[($]/.test(text) ? text.replaceAll('$', () => '$$') : text;
}
