import { expect, test } from '@jest/globals';
import { type Offer, type Resource, scalar } from '../../client/index.ts';
import { type Estate, nextStep, reservationFor, taskResources } from './volume.ts';

const estate: Estate = { role: 'eng', cpus: 0.5, memMb: 64, diskMb: 16, volumeId: 'v' };
const roomy = [scalar('cpus', 1), scalar('mem', 100), scalar('disk', 100)];
const offer = (resources: readonly Resource[]): Offer => ({
  id: { value: 'o' },
  framework_id: { value: 'f' },
  agent_id: { value: 'here' },
  hostname: 'here',
  resources,
});
const ofOthers = reservationFor({ ...estate, role: 'other' });

test.each([
  ['room and nothing made yet: reserve', roomy, undefined, 'reserve'],
  ['too little room: decline', [scalar('cpus', 1)], undefined, 'decline'],
  ["another role's reservation is no room: decline", ofOthers, undefined, 'decline'],
  [
    'a revocable CPU is no room: decline',
    [{ ...scalar('cpus', 1), revocable: {} }, ...roomy.slice(1)],
    undefined,
    'decline',
  ],
  ['made elsewhere: decline', roomy, 'there', 'decline'],
  ['meant to be here, but never made: reserve', roomy, 'here', 'reserve'],
  [
    'reserved here: create the volume',
    [...roomy, ...reservationFor(estate)],
    'here',
    'createVolume',
  ],
  ['volume and reservation: launch', [...roomy, ...taskResources(estate)], 'here', 'launch'],
  [
    'the volume without its CPUs, which a task uses: decline',
    taskResources(estate).slice(2),
    'here',
    'decline',
  ],
] as const)('%s', (_name, resources, agent, expected) => {
  expect(nextStep(estate, offer(resources), { agent })).toBe(expected);
});

test('a volume that was seen is not made again while a task holds it', () => {
  const known = { agent: 'here', isMade: true };
  expect(nextStep(estate, offer(roomy), known)).toBe('decline');
  expect(nextStep(estate, offer([...roomy, ...reservationFor(estate)]), known)).toBe('decline');
  expect(nextStep(estate, offer([...roomy, ...taskResources(estate)]), known)).toBe('launch');
});
