import { amountOf } from '../../model/resources.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import { volumeNames } from '../reservation/planVolume.ts';
import type { Offer } from '../scheduling/types.ts';
import type { HeldVolume } from './pod/podConfig.ts';
import type { AskedVolumes } from './volumeOperations.ts';

/** The persistent volumes of accepted offers as the operations before a launch leave them. */
export class VolumeBook {
  readonly #volumes = new Map<string, HeldVolume>();
  readonly #framework: string;

  constructor(
    framework: string,
    offers: readonly Offer[],
    reservations: () => ReadonlyMap<string, ReservationObject>,
  ) {
    this.#framework = framework;
    const parts = offers.flatMap((one) => one.reservedBy ?? []);
    if (parts.length === 0) return;
    const known = reservations();
    for (const { reservationId: name, resources } of parts) {
      const spec = known.get(name)?.spec;
      if (spec?.volume === undefined) continue;
      const { id, shared = false } = spec.volume;
      const sizeBytes = amountOf(resources, 'disk');
      this.#set({ name, id, role: spec.role, shared, sizeBytes });
    }
  }

  list(): readonly HeldVolume[] {
    return [...this.#volumes.values()];
  }

  /** An operation comes before the next launch; refused, it takes that launch with it. */
  note(asked: AskedVolumes, operation: string): void {
    switch (asked.kind) {
      case 'createVolumes': {
        const names = volumeNames(this.#framework, operation, asked.volumes.length);
        for (const [index, { id, shared, sizeBytes, stack }] of asked.volumes.entries())
          this.#set({ name: names[index] ?? '', id, role: roleOf(stack), shared, sizeBytes });
        return;
      }
      case 'destroyVolumes':
        for (const { id, stack } of asked.volumes) this.#volumes.delete(keyOf(roleOf(stack), id));
        return;
      case 'growVolume':
        this.#resize(asked.volume, asked.additionBytes);
        return;
      case 'shrinkVolume':
        this.#resize(asked.volume, -asked.subtractBytes);
    }
  }

  #resize(
    { id, stack }: { readonly id: string; readonly stack: readonly { readonly role: string }[] },
    bytes: number,
  ): void {
    const known = this.#volumes.get(keyOf(roleOf(stack), id));
    if (known !== undefined) this.#set({ ...known, sizeBytes: known.sizeBytes + bytes });
  }

  #set(volume: HeldVolume): void {
    this.#volumes.set(keyOf(volume.role, volume.id), volume);
  }
}

const keyOf = (role: string, id: string): string => `${role}\n${id}`;
const roleOf = (stack: readonly { readonly role: string }[]): string => stack.at(-1)?.role ?? '';
