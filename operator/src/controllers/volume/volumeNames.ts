/** Names that follow from that of a volume. */

/** The claim that Pods mount; one of this name in each namespace the volume is used in. */
export const claimName = (volume: string): string => `mezzo-${volume}`;
