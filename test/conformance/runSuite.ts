import { Mismatch, shown } from './mismatch.ts';
import { Context, type Rule, type Settings, sectionOf } from './rule.ts';
import { hasRoom, releaseMarked } from './rules/operations.ts';
import type { Wire } from './session.ts';

export interface Outcome {
  readonly rule: string;
  readonly section: string;
  readonly title: string;
  readonly wire: Wire;
  readonly kind: 'passed' | 'failed' | 'skipped';
  readonly expected?: string;
  readonly got?: string;
  readonly tookMs: number;
}

export interface SuiteOptions extends Settings {
  readonly rules: readonly Rule[];
  /** Agents start no processes: rules that need a command to end are skipped. */
  readonly agentsPretend: boolean;
  /** Gives back what broken rules left reserved. Default: true. */
  readonly cleansUp?: boolean;
  readonly onOutcome?: (outcome: Outcome) => void;
}

/** Rules that take no offers run this many at a time. */
const SIDE_BY_SIDE = 4;
/** A rule that takes longer hangs. */
const RULE_MS = 180_000;
const WIRES: readonly Wire[] = ['json', 'protobuf'];

/** Runs the rules in each encoding. The order of the outcomes is that in which they ended. */
export async function runSuite(options: SuiteOptions): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const jobs = WIRES.flatMap((wire) =>
    options.rules
      .filter((rule) => rule.wires === undefined || rule.wires.includes(wire))
      .map((rule) => ({ rule, wire })),
  );
  const isAlone = ({ rule }: (typeof jobs)[number]): boolean =>
    rule.offers !== undefined || rule.alone === true;
  const queue = jobs.filter((job) => !isAlone(job));
  const runQueue = async (list: typeof jobs): Promise<void> => {
    for (let job = list.shift(); job !== undefined; job = list.shift()) {
      const outcome = await runRule(options, job.rule, job.wire);
      outcomes.push(outcome);
      options.onOutcome?.(outcome);
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, () => runQueue(queue)));
  await runQueue(jobs.filter(isAlone));
  if (options.cleansUp !== false) await cleanUp(options);
  return outcomes;
}

/** Whether the endpoint serves callers without credentials, as a local cluster does on loopback. */
async function servesUnknown({ target, roles }: Settings): Promise<boolean> {
  const unknown = { ...target, authorization: undefined };
  const response = await new Context({ target: unknown, roles }, 'json', false).post({
    method: 'GET',
    path: '/frameworks',
  });
  return response.status === 200;
}

async function isOutOfReach(options: SuiteOptions, { needs }: Rule): Promise<boolean> {
  if (needs === undefined) return false;
  switch (needs) {
    case 'execution':
      return options.agentsPretend;
    case 'token':
      return options.target.authorization === undefined;
    case 'refusesUnknown':
      return options.target.authorization === undefined || (await servesUnknown(options));
  }
}

async function runRule(options: SuiteOptions, rule: Rule, wire: Wire): Promise<Outcome> {
  const told = { rule: rule.id, section: `§${sectionOf(rule)}`, title: rule.title, wire };
  if (await isOutOfReach(options, rule)) return { ...told, kind: 'skipped', tookMs: 0 };
  const context = new Context(options, wire, rule.offers === true);
  const startedMs = performance.now();
  const fault = await withDeadline(rule.run(context)).then(
    () => undefined,
    (error: unknown) => error,
  );
  await context.end();
  // Whatever a rule is about, everything it was sent must be whole records that fit their protos.
  const misfit = context.sessions.flatMap((one) => one.faults)[0];
  const tookMs = Math.round(performance.now() - startedMs);
  if (fault === undefined && misfit !== undefined)
    return {
      ...told,
      kind: 'failed',
      expected: 'one whole record per chunk, each fitting its proto',
      got: shown(misfit),
      tookMs,
    };
  if (fault === undefined) return { ...told, kind: 'passed', tookMs };
  if (fault instanceof Mismatch)
    return { ...told, kind: 'failed', expected: fault.expected, got: fault.got, tookMs };
  const got = shown(fault instanceof Error ? fault.message : fault);
  return { ...told, kind: 'failed', expected: rule.title, got, tookMs };
}

async function withDeadline(run: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`it was not over within ${RULE_MS / 1000} s`)),
      RULE_MS,
    );
  });
  try {
    await Promise.race([run, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why no rule about offers can pass here; undefined when an agent has room. */
export async function missingRoom(settings: Settings): Promise<string | undefined> {
  const context = new Context(settings, 'json', true);
  try {
    const session = await context.subscribe();
    await session.offer({}, 20_000, hasRoom);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await context.end();
  }
}

async function cleanUp(settings: Settings): Promise<void> {
  const context = new Context(settings, 'json', true);
  try {
    await releaseMarked(context);
  } catch {
    // Nothing could be looked at, so nothing was reserved through here either.
  } finally {
    await context.end();
  }
}
