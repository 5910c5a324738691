export type LogFields = { readonly [key: string]: unknown };

/** Structured log: a short constant message and fields (`telemetry/logFields.ts` lists their names). */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
}
