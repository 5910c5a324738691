import { type Logger as Pino, pino, stdTimeFunctions } from 'pino';
import type { LogFields, Logger } from '../../../operator/src/ports/logger.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on standard output. */
export function createPinoLogger(level: LogLevel): Logger {
  return wrap(
    pino({
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    }),
  );
}

function wrap(log: Pino): Logger {
  return {
    debug: (message, fields) => log.debug(withError(fields), message),
    info: (message, fields) => log.info(withError(fields), message),
    warn: (message, fields) => log.warn(withError(fields), message),
    error: (message, fields) => log.error(withError(fields), message),
    child: (fields) => wrap(log.child(fields)),
  };
}

/** An error's stack is noise for what the next interval mends: its message is kept. */
function withError(fields: LogFields = {}): LogFields {
  const { error, ...rest } = fields;
  return error === undefined
    ? rest
    : { ...rest, error: error instanceof Error ? error.message : JSON.stringify(error) };
}
