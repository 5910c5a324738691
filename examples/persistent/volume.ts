import type { Offer, Resource } from 'mezzo/client';
import { reserved, scalar, scalarOf } from 'mezzo/client';

/** What the framework keeps on one agent between its tasks: its own CPUs and memory, and a volume with its data. */
export interface Estate {
  readonly role: string;
  readonly principal?: string;
  readonly cpus: number;
  readonly memMb: number;
  readonly diskMb: number;
  readonly volumeId: string;
}

/** How far an offer has got: each step is one ACCEPT, and what it made comes back as the next offer. */
export type Step = 'reserve' | 'createVolume' | 'launch' | 'decline';

const reservationOf = ({ role, principal }: Estate) => ({
  type: 'DYNAMIC' as const,
  role,
  ...(principal === undefined ? {} : { principal }),
});

const part = (estate: Estate, name: string, value: number): Resource =>
  reserved(
    { ...scalar(name, value), allocation_info: { role: estate.role } },
    reservationOf(estate),
  );

/** What is reserved first; the disk of it becomes the volume. */
export const reservationFor = (estate: Estate): readonly Resource[] => [
  part(estate, 'cpus', estate.cpus),
  part(estate, 'mem', estate.memMb),
  part(estate, 'disk', estate.diskMb),
];

export const volumeFor = (estate: Estate): Resource => ({
  ...part(estate, 'disk', estate.diskMb),
  disk: {
    persistence: {
      id: estate.volumeId,
      ...(estate.principal === undefined ? {} : { principal: estate.principal }),
    },
    volume: { container_path: 'data', mode: 'RW' },
  },
});

/** What a task of the framework runs on. */
export const taskResources = (estate: Estate): readonly Resource[] => [
  part(estate, 'cpus', estate.cpus),
  part(estate, 'mem', estate.memMb),
  volumeFor(estate),
];

const isMine =
  (estate: Estate) =>
  (one: Resource): boolean =>
    (one.reservations ?? []).at(-1)?.role === estate.role;

const isVolume =
  (estate: Estate) =>
  (one: Resource): boolean =>
    one.disk?.persistence?.id === estate.volumeId;

/** What is known of the estate beside what an offer shows. */
export interface Known {
  /** Where it is, or was about to be made when the framework died. */
  readonly agent?: string | undefined;
  /** The volume has been seen: an offer without it means that a task holds it, not that there is none. */
  readonly isMade?: boolean;
}

/** The next step for an offer. */
export function nextStep(estate: Estate, offer: Offer, { agent, isMade }: Known = {}): Step {
  const all = offer.resources ?? [];
  const mine = isMine(estate);
  if (all.some(isVolume(estate)))
    return scalarOf(all, 'cpus', mine) >= estate.cpus ? 'launch' : 'decline';
  if (isMade === true || (agent !== undefined && agent !== offer.agent_id.value)) return 'decline';
  const plainDisk = (one: Resource): boolean => mine(one) && one.disk?.persistence === undefined;
  if (scalarOf(all, 'disk', plainDisk) >= estate.diskMb) return 'createVolume';
  const free = (one: Resource): boolean =>
    (one.reservations ?? []).length === 0 && one.revocable === undefined;
  const hasRoom =
    scalarOf(all, 'cpus', free) >= estate.cpus &&
    scalarOf(all, 'mem', free) >= estate.memMb &&
    scalarOf(all, 'disk', free) >= estate.diskMb;
  return hasRoom ? 'reserve' : 'decline';
}
