import type { Logger } from '../../ports/logger.ts';
import type { Recorder } from '../shared/recorder.ts';
import type { World } from '../world.ts';
import type { BackOff } from './hoarders.ts';

interface Tellers {
  readonly world: World;
  readonly recorder: Recorder;
  readonly log: Logger;
}

/** Tells whoever runs a framework why it gets no offers: in the log and as an event on its object. */
export function tellBackOff(
  { world, recorder, log }: Tellers,
  { framework, silences, forMs }: BackOff,
): void {
  const seconds = Math.round(forMs / 1000);
  log.warn('framework lets its offers run out', { framework, silences, backOffMs: forMs });
  const object = world.frameworks.list().find((one) => one.spec.frameworkId === framework);
  if (object === undefined) return;
  recorder.event(
    object,
    'Warning',
    'OffersHoarded',
    `${silences} times in a row it left offers unanswered until they ran out; it gets none for ${seconds} s. Decline what it does not need, or call SUPPRESS.`,
  );
}
