import { expect, test } from '@jest/globals';
import { agentId, frameworkId, offerId, rolePath } from '../../model/ids.ts';
import { AcceptedPool, type PartKind } from './acceptedPool.ts';

const part = (reservationId: string, disk: number) => ({
  role: rolePath('eng'),
  resources: { disk },
  reservationId,
});

const KINDS: Readonly<Record<string, PartKind>> = { own: 'volume', common: 'sharedVolume' };

/** 10 disk of nobody, 20 reserved, a volume of 30 and a shared one of 40. */
const pool = (): AcceptedPool =>
  new AcceptedPool(
    [
      {
        id: offerId('o'),
        framework: frameworkId('f'),
        role: rolePath('eng'),
        agent: agentId('a'),
        resources: { disk: 60 },
        revocable: {},
        reserved: { disk: 50 },
        reservedBy: [part('r', 20), part('own', 30), part('common', 40)],
        fromHold: {},
        issuedAtMs: 0,
      },
    ],
    () => (name) => KINDS[name] ?? 'plain',
  );

test('volumes pay for nobody who does not name them', () => {
  expect(pool().holds({ resources: { disk: 31 }, revocable: {} })).toBe(false);
  const one = pool();
  expect(one.take({ resources: { disk: 30 }, revocable: {} })).toEqual({ disk: 20 });
  expect(one.resources).toEqual({ disk: 30 });
});

test('a volume is taken whole, once; a shared one is in no sum and taken again and again', () => {
  const one = pool();
  const wanted = { resources: { disk: 35 }, revocable: {}, volumes: ['own', 'common'] };
  expect(one.missingVolume(wanted)).toBeUndefined();
  expect(one.holds(wanted)).toBe(true);
  expect(one.take(wanted)).toEqual({ disk: 35 });
  expect(one.resources).toEqual({ disk: 25 });
  expect(one.missingVolume(wanted)).toBe('own');
  expect(one.missingVolume({ ...wanted, volumes: ['common'] })).toBeUndefined();
});
