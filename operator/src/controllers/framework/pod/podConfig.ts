/** An inclusive range of ports. */
export interface PortRange {
  readonly begin: number;
  readonly end: number;
}

/** How files are fetched into sandboxes. */
export interface FetcherConfig {
  /** Image that holds the fetcher, `/app/fetcher.mjs`. */
  readonly image: string;
  /** Most bytes all URIs of one task may bring, unpacked ones counted as unpacked. */
  readonly maxBytes: number;
  /** Hosts files may come from; undefined: any. */
  readonly allowedHosts?: readonly string[];
}

/** A persistent volume that a launch may hold. */
export interface HeldVolume {
  /** Name of the Reservation that is the volume. */
  readonly name: string;
  /** Persistence id, of one role. */
  readonly id: string;
  readonly role: string;
  readonly shared: boolean;
  readonly sizeBytes: number;
}
