import { shortHash } from '../../model/hash.ts';

/** Names that follow from that of a volume, so that everything is made once however often it is tried. */

/** On everything that is made for a volume: its name. */
export const VOLUME_LABEL = 'mezzo.dev/volume';

/** The claim that Pods mount; one of this name in each namespace the volume is used in. */
export const claimName = (volume: string): string => `mezzo-${volume}`;

export const persistentVolumeName = (volume: string, namespace: string): string =>
  `mezzo-${volume}-${shortHash(namespace, 10)}`;

/** What a Pod of the operator's own does to the folder of a volume on its agent. */
export type FolderWork = 'make' | 'remove';

export const folderPodName = (volume: string, work: FolderWork): string =>
  `mezzo-${volume}-${work}`;
