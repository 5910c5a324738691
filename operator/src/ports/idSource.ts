/** Makes identifiers that never repeat in production and are reproducible in the simulation. */
export interface IdSource {
  /** A version 4 UUID. */
  uuid(): string;
}
