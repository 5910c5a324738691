import { type ApiLimits, DEFAULT_LIMITS } from './api/context.ts';
import { ok, type Result, refuse } from './model/result.ts';

/** Flags that bound what callers of the HTTP API may use up. */

interface LimitFlag {
  readonly field: keyof ApiLimits;
  /** What one of the flag's units is in units of the field. */
  readonly unit: number;
  readonly least: number;
  readonly most: number;
  readonly help: string;
}

/** Connections are bounded too (`server.ts`): more streams than those could not be had. */
const MOST_STREAMS = 9_000;

const LIMIT_FLAGS = {
  'max-streams': {
    field: 'maxStreams',
    unit: 1,
    least: 1,
    most: MOST_STREAMS,
    help: 'frameworks that may be connected',
  },
  'max-streams-per-principal': {
    field: 'maxStreamsPerPrincipal',
    unit: 1,
    least: 1,
    most: MOST_STREAMS,
    help: 'of these, frameworks of one principal',
  },
  'stream-records': {
    field: 'streamRecords',
    unit: 1,
    least: 1_000,
    most: 1_000_000,
    help: 'records, or offers, that may wait for one reader before it is cut off',
  },
  'stream-buffer-kb': {
    field: 'streamBufferBytes',
    unit: 1_024,
    least: 64,
    most: 65_536,
    help: 'bytes handed to a connection before the rest waits',
  },
  'calls-per-second': {
    field: 'callsPerSecond',
    unit: 1,
    least: 1,
    most: 1_000_000,
    help: 'calls of one principal, and of one framework; twice as many at once',
  },
  'body-max-kb': {
    field: 'bodyBytes',
    unit: 1_024,
    least: 16,
    most: 65_536,
    help: 'largest body of a call',
  },
} as const satisfies { readonly [flag: string]: LimitFlag };

type LimitFlagName = keyof typeof LIMIT_FLAGS;

const ENTRIES = Object.entries(LIMIT_FLAGS) as readonly (readonly [LimitFlagName, LimitFlag])[];

/** For `parseArgs`. */
export const LIMIT_OPTIONS = Object.fromEntries(
  ENTRIES.map(([flag]) => [flag, { type: 'string' }]),
) as { readonly [flag in LimitFlagName]: { readonly type: 'string' } };

/** Lines of the usage text. */
export const LIMIT_USAGE = ENTRIES.map(
  ([flag, { field, unit, help }]) =>
    `  ${`--${flag} N`.padEnd(29)} ${help} (default ${DEFAULT_LIMITS[field] / unit})`,
).join('\n');

/** The limits these values ask for; a refusal names the flag and what it allows. */
export function limitsOf(
  values: {
    readonly [flag in LimitFlagName]?: string | undefined;
  },
): Result<Partial<ApiLimits>, string> {
  const limits: { -readonly [field in keyof ApiLimits]?: number } = {};
  for (const [flag, { field, unit, least, most }] of ENTRIES) {
    const text = values[flag];
    if (text === undefined) continue;
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      return refuse(
        `--${flag} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`,
      );
    limits[field] = value * unit;
  }
  if (limits.callsPerSecond !== undefined) limits.burst = 2 * limits.callsPerSecond;
  return ok(limits);
}
