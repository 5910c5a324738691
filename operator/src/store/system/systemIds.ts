import { randomUUID } from 'node:crypto';
import type { IdSource } from '../../ports/idSource.ts';

/** Identifiers that never repeat. */
export function createSystemIds(): IdSource {
  return { uuid: () => randomUUID() };
}
