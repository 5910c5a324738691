import { type Logger as Pino, pino, stdTimeFunctions } from 'pino';
import type { Logger } from '../ports/logger.ts';

/** JSON lines on standard output; values under these names never appear. */
const REDACTED = ['token', 'password', 'authorization', '*.token', '*.password', '*.authorization'];

export function createLogger(level: string): Logger {
  return wrap(
    pino({
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      redact: REDACTED,
      formatters: { level: (label) => ({ level: label }) },
    }),
  );
}

function wrap(log: Pino): Logger {
  return {
    debug: (message, fields = {}) => log.debug(withError(fields), message),
    info: (message, fields = {}) => log.info(withError(fields), message),
    warn: (message, fields = {}) => log.warn(withError(fields), message),
    error: (message, fields = {}) => log.error(withError(fields), message),
    child: (fields) => wrap(log.child(fields)),
  };
}

/** pino serializes an error under `err` only. */
function withError(fields: { readonly [key: string]: unknown }): {
  readonly [key: string]: unknown;
} {
  const { error, ...rest } = fields;
  return error === undefined ? rest : { ...rest, err: error };
}
