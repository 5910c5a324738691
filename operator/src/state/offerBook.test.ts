import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { agentId, frameworkId, type OfferId, offerId, rolePath } from '../model/ids.ts';
import {
  emptyOfferBook,
  type OfferBook,
  type OfferEvent,
  type OfferToIssue,
  stepOfferBook,
} from './offerBook.ts';

const F1 = frameworkId('F1');
const F2 = frameworkId('F2');

function offer(framework = F1, agent = 'A1', role = 'r'): OfferToIssue {
  return {
    framework,
    role: rolePath(role),
    agent: agentId(agent),
    resources: { cpus: 1000 },
    revocable: {},
    reserved: {},
    fromHold: {},
  };
}

function issued(...offers: readonly OfferToIssue[]): OfferBook {
  const book = emptyOfferBook(7);
  stepOfferBook(book, { kind: 'issue', offers, nowMs: 100 });
  return book;
}
const id = (sequence: number): OfferId => offerId(`7-${sequence}`);

describe('offer book', () => {
  test('ids carry the epoch and count up', () => {
    expect([...issued(offer(), offer()).offers.keys()]).toEqual(['7-1', '7-2']);
  });

  test('an accepted offer is gone; accepting it again is refused', () => {
    const book = issued(offer());
    const first = stepOfferBook(book, { kind: 'accept', framework: F1, ids: [id(1)] });
    expect(first.ended).toMatchObject([{ offer: { id: '7-1' }, end: 'accepted' }]);
    const again = stepOfferBook(book, { kind: 'accept', framework: F1, ids: [id(1)] });
    expect(again).toMatchObject({ ended: [], refused: [{ id: '7-1', why: 'OfferUnknown' }] });
  });

  test.each([
    { name: "another framework's", ids: [id(1), id(3)], why: 'OtherFramework' },
    { name: 'of a former leader', ids: [id(1), offerId('6-1')], why: 'OfferUnknown' },
    { name: 'of another agent', ids: [id(1), id(2)], why: 'OtherAgent' },
    { name: 'of another role', ids: [id(1), id(4)], why: 'OtherRole' },
    { name: 'named twice', ids: [id(1), id(1)], why: 'Repeated' },
  ])('an accept with an offer $name ends nothing', ({ ids, why }) => {
    const book = issued(offer(), offer(F1, 'A2'), offer(F2), offer(F1, 'A1', 'r2'));
    const step = stepOfferBook(book, { kind: 'accept', framework: F1, ids });
    expect(book.offers.size).toBe(4);
    expect(step).toMatchObject({ ended: [], refused: [{ id: ids[1], why }] });
  });

  test('a decline ends what it may and names the rest', () => {
    const ids = [id(1), id(2), id(9), id(1)];
    const step = stepOfferBook(issued(offer(), offer(F2)), { kind: 'decline', framework: F1, ids });
    expect(step.ended.map((one) => one.offer.id)).toEqual(['7-1']);
    expect(step.refused).toEqual([
      { id: '7-2', why: 'OtherFramework' },
      { id: '7-9', why: 'OfferUnknown' },
    ]);
  });

  test('offers expire when they are as old as the time-out, not earlier', () => {
    const expire = (nowMs: number) =>
      stepOfferBook(issued(offer()), { kind: 'expire', nowMs, timeoutMs: 50 }).ended.length;
    expect([expire(149), expire(150)]).toEqual([0, 1]);
  });

  test('removing a framework or an agent ends its offers alone', () => {
    const left = (event: OfferEvent): OfferId[] => {
      const book = issued(offer(), offer(F2), offer(F1, 'A2'));
      stepOfferBook(book, event);
      return [...book.offers.keys()];
    };
    expect(left({ kind: 'removeFramework', framework: F1 })).toEqual(['7-2']);
    expect(left({ kind: 'removeAgent', agent: agentId('A1') })).toEqual(['7-3']);
  });

  const frameworks = fc.constantFrom(F1, F2);
  const agents = fc.constantFrom('A1', 'A2');
  const ids = fc.array(fc.integer({ min: 1, max: 12 }).map(id), { maxLength: 3 });
  const events: fc.Arbitrary<OfferEvent> = fc.oneof(
    fc.record({
      kind: fc.constant('issue' as const),
      offers: fc.array(
        fc.tuple(frameworks, agents).map(([f, a]) => offer(f, a)),
        { maxLength: 3 },
      ),
      nowMs: fc.nat(100),
    }),
    fc.record({ kind: fc.constantFrom('accept', 'decline'), framework: frameworks, ids }),
    fc.record({ kind: fc.constant('rescind' as const), ids }),
    fc.record({ kind: fc.constant('expire' as const), nowMs: fc.nat(150), timeoutMs: fc.nat(60) }),
    fc.record({ kind: fc.constant('removeFramework' as const), framework: frameworks }),
    fc.record({ kind: fc.constant('removeAgent' as const), agent: agents.map(agentId) }),
  );

  test('every offer issued is outstanding or ended exactly once, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 20 }), (history) => {
        const book = emptyOfferBook(7);
        const begun: string[] = [];
        const ended: string[] = [];
        let nowMs = 0;
        for (const event of history) {
          // Time never goes back.
          if ('nowMs' in event) nowMs += event.nowMs;
          const step = stepOfferBook(book, { ...event, ...('nowMs' in event ? { nowMs } : {}) });
          begun.push(...step.issued.map((one) => one.id));
          ended.push(...step.ended.map((one) => one.offer.id));
        }
        expect(new Set(begun).size).toBe(begun.length);
        expect([...ended, ...book.offers.keys()].toSorted()).toEqual(begun.toSorted());
        const byAgent = [...book.byAgent].flatMap(([agent, own]) => {
          expect(own.size).toBeGreaterThan(0);
          return [...own.values()].filter((one) => one.agent === agent);
        });
        expect(new Set(byAgent)).toEqual(new Set(book.offers.values()));
        // The index by framework holds the same offers, and nothing that is empty.
        const indexed = [...book.byFramework].flatMap(([framework, own]) => {
          expect(own.size).toBeGreaterThan(0);
          return [...own.values()].filter((one) => one.framework === framework);
        });
        expect(new Set(indexed)).toEqual(new Set(book.offers.values()));
      }),
      { numRuns: 1000 },
    );
  });
});
