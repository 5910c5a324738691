import { createHash } from 'node:crypto';

/** Cgroups of the cluster in this folder; everything that runs for its nodes is in or below `nodes`. */
export function clusterCgroup(dir: string): { nodes: string; daemons: string } {
  const id = createHash('sha256').update(dir).digest('hex').slice(0, 8);
  return { nodes: `/mezzo-${id}`, daemons: `/mezzo-${id}/daemons` };
}
