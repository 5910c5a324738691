import type { Resources } from '../../model/resources.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import { formatQuantity, parseQuantity } from '../../schema/quantity.ts';

/** What a persistent volume is on its Reservation object. */

/** On a volume whose end is decided: its disk is its reservations' again, its data wait to be removed. */
export const DESTROYED = 'mezzo.dev/volume-destroyed';
/** On a volume whose folder has been made on its agent. */
export const FOLDER_MADE = 'mezzo.dev/volume-folder';
/** Holds a volume until its data are removed. */
export const VOLUME_FINALIZER = 'mezzo.dev/volume';

/** Disk that a volume takes out of one reservation. */
export interface VolumeSource {
  readonly reservation: string;
  readonly bytes: number;
}

export const isVolume = (object: ReservationObject | undefined): boolean =>
  object?.spec.volume !== undefined;

/** True once its disk is no longer the volume's. */
export const isDestroyed = ({ metadata }: ReservationObject): boolean =>
  metadata.annotations?.[DESTROYED] !== undefined;

export function sourcesOf({ spec }: Pick<ReservationObject, 'spec'>): readonly VolumeSource[] {
  return (spec.volume?.from ?? []).map(({ reservation, disk }) => ({
    reservation,
    bytes: parseQuantity('disk', disk) ?? 0,
  }));
}

/** The size of a volume: all that it takes, whatever somebody wrote beside it. */
export function volumeSize(object: Pick<ReservationObject, 'spec'>): Resources {
  return { disk: sourcesOf(object).reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Sources as an object has them, those of one reservation together, empty ones left out. */
export function writtenSources(
  sources: readonly VolumeSource[],
): { reservation: string; disk: string }[] {
  const sums = new Map<string, number>();
  for (const { reservation, bytes } of sources)
    sums.set(reservation, (sums.get(reservation) ?? 0) + bytes);
  return [...sums]
    .filter(([, bytes]) => bytes > 0)
    .map(([reservation, bytes]) => ({ reservation, disk: formatQuantity('disk', bytes) }));
}
