import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ensureAssets } from '../assets/ensure.ts';

const COLUMNS = {
  pods: 'N:.metadata.namespace,P:.metadata.name,S:.status.phase,D:.metadata.deletionTimestamp,A:.spec.nodeName',
  events: 'T:.type,R:.reason,K:.involvedObject.kind,N:.involvedObject.name,M:.message',
} as const;

/** Prints one line per change of a Pod and per event until `stop`. */
export async function streamChanges(
  kubeconfigPath: string,
  write: (text: string) => void,
): Promise<{ stop(): void }> {
  const { kubectl } = await ensureAssets(['kubectl']);
  const watch = (kind: keyof typeof COLUMNS, show: (words: readonly string[]) => string) => {
    const format = ['-o', `custom-columns=${COLUMNS[kind]}`, '--no-headers'];
    const args = ['--kubeconfig', kubeconfigPath, 'get', kind, '-A', '--watch-only', ...format];
    const child = spawn(kubectl, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let last = '';
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === last) return; // a watch repeats an object when a part changed that is not shown
      last = line;
      const time = new Date().toTimeString().slice(0, 8);
      write(`${time} ${show(line.trim().split(/\s{2,}/))}\n`);
    });
    return child;
  };
  const children: readonly ChildProcess[] = [
    watch('pods', ([namespace, name, phase, deleted, node]) => {
      const state = deleted === '<none>' ? phase : `${phase}, being deleted`;
      return `pod ${namespace}/${name}: ${state} on ${node}`;
    }),
    watch('events', ([type, reason, kind, name, ...message]) => {
      const mark = type === 'Warning' ? '! ' : '';
      return `${mark}${kind} ${name}: ${reason}: ${message.join(' ')}`;
    }),
  ];
  return { stop: () => children.forEach((child) => child.kill()) };
}
