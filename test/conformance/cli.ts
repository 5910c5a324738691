import { parseArgs } from 'node:util';
import { ALL_RULES } from './allRules.ts';
import { type Rule, sectionOf } from './rule.ts';
import { missingRoom, type Outcome, runSuite } from './runSuite.ts';

const HELP = `npm run conformance -- --url URL [flags]     does this endpoint keep the rules of the Mesos v1 scheduler API?

  --url URL          of the operator or master: http://127.0.0.1:5050
  --token TOKEN      bearer token: $(kubectl create token ACCOUNT --audience mezzo); --basic USER:PASSWORD for HTTP Basic
  --only RULE        only a section (1.3), or rules whose id starts so (1.12/reserve); may be repeated
  --role ROLE        role of plain frameworks (default: *)
  --roles A,B        two more roles for frameworks with several (default: conformance/a,conformance/b;
                     on Mezzo: kubectl apply -f test/conformance/roles.yaml)
  --agents-pretend   agents start no processes (kwok): rules that need a command to end are skipped
  --list             names the rules and ends
  --json             one JSON line per outcome instead of text
  --verbose          names each rule as it ends

Needs an agent with half a CPU and 128 MB free. Exit code 0 only when everything passed.
`;

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      url: { type: 'string' },
      token: { type: 'string' },
      basic: { type: 'string' },
      only: { type: 'string', multiple: true },
      role: { type: 'string', default: '*' },
      roles: { type: 'string', default: 'conformance/a,conformance/b' },
      'agents-pretend': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}

/** A section is meant whole: 1.1 does not mean 1.10. */
const isAsked = (rule: Rule, asked: string): boolean =>
  asked.includes('/') ? rule.id.startsWith(asked) : sectionOf(rule) === asked;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function lineOf(one: Outcome): string {
  const name = `${one.rule} [${one.wire}]`;
  if (one.kind === 'failed')
    return `FAILED ${name} ${one.section} ${one.title}: expected ${one.expected}; got ${one.got}`;
  return `${one.kind} ${name} ${one.section} ${one.title} (${one.tookMs} ms)`;
}

async function main(argv: readonly string[]): Promise<number> {
  let flags: ReturnType<typeof parse>;
  try {
    flags = parse(argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return 2;
  }
  const only = flags.only;
  const rules = ALL_RULES.filter(
    (rule) => only === undefined || only.some((asked) => isAsked(rule, asked)),
  );
  if (flags.list) {
    for (const rule of rules) say(`${rule.id}: ${rule.title}`);
    return 0;
  }
  const [roleA, roleB] = flags.roles.split(',');
  if (flags.help || flags.url === undefined || !URL.canParse(flags.url) || roleB === undefined) {
    process.stderr.write(HELP);
    return flags.help ? 0 : 2;
  }
  if (rules.length === 0) {
    process.stderr.write(`no rule is called ${only?.join(' or ')}; --list names them\n`);
    return 2;
  }
  const settings = {
    target: { url: new URL(flags.url), authorization: authorizationOf(flags) },
    roles: [flags.role, roleA ?? '', roleB] as const,
  };
  if (rules.some((rule) => rule.offers)) {
    const missing = await missingRoom(settings);
    if (missing !== undefined) {
      process.stderr.write(
        `no agent with half a CPU and 128 MB free is offered to role ${flags.role} at ${flags.url}: ${missing}\n` +
          'free some resources, or give a role that gets offers with --role\n',
      );
      return 2;
    }
  }
  const outcomes = await runSuite({
    ...settings,
    rules,
    agentsPretend: flags['agents-pretend'],
    onOutcome(one) {
      if (flags.json) say(JSON.stringify(one));
      else if (one.kind === 'failed' || flags.verbose) say(lineOf(one));
    },
  });
  return report(outcomes, flags.json);
}

function authorizationOf(flags: ReturnType<typeof parse>): string | undefined {
  if (flags.token !== undefined) return `Bearer ${flags.token}`;
  if (flags.basic !== undefined) return `Basic ${Buffer.from(flags.basic).toString('base64')}`;
  return undefined;
}

function report(outcomes: readonly Outcome[], asJson: boolean): number {
  const count = (kind: Outcome['kind']): number =>
    outcomes.filter((one) => one.kind === kind).length;
  const summary = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
  if (asJson) say(JSON.stringify(summary));
  else {
    if (summary.skipped > 0)
      say(
        `${summary.skipped} skipped: they need a token, an endpoint that refuses callers without one, or agents that start processes`,
      );
    say(`${summary.passed} passed, ${summary.failed} failed`);
  }
  return summary.failed === 0 && summary.passed > 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
