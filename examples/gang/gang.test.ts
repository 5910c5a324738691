import { describe, expect, test } from '@jest/globals';
import { type Offer, scalar } from '../../client/index.ts';
import { placesFor } from './gang.ts';

const offer = (id: string, cpus: number): Offer => ({
  id: { value: id },
  framework_id: { value: 'f' },
  agent_id: { value: `agent-${id}` },
  hostname: id,
  resources: [scalar('cpus', cpus), scalar('mem', 1_000)],
});

describe('placesFor', () => {
  test.each([
    ['nothing when one member is left over', 4, [offer('a', 1), offer('b', 0.9)], undefined],
    ['evenly over the offers', 3, [offer('b', 1), offer('a', 1)], ['a', 'b', 'a']],
    ['past offers that are too small', 2, [offer('a', 0.4), offer('b', 1)], ['b', 'b']],
    ['nothing out of nothing', 1, [], undefined],
    ['exactly what there is', 4, [offer('a', 1), offer('b', 1)], ['a', 'b', 'a', 'b']],
  ] as const)('gives %s', (_name, members, offers, expected) => {
    const places = placesFor(members, { cpus: 0.5, mem: 10 }, offers);
    expect(places?.map((one) => one.offer.hostname)).toEqual(expected);
  });
});
