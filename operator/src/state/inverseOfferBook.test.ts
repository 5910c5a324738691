import { describe, expect, test } from '@jest/globals';
import { agentId, frameworkId, offerId } from '../model/ids.ts';
import {
  answerInverseOffers,
  emptyInverseOfferBook,
  forgetInverseOffersOf,
  type InverseOfferBook,
  inverseAnswers,
  nextInverseLookMs,
  refreshInverseOffers,
} from './inverseOfferBook.ts';
import type { Unavailability } from './offerBook.ts';

const TIMEOUT_MS = 60_000;
const MAY: Unavailability = { startMs: 1_000_000, durationMs: 60_000 };
const JUNE: Unavailability = { startMs: 2_000_000, durationMs: 60_000 };
const F = frameworkId('f');

const refresh = (
  book: InverseOfferBook,
  nowMs: number,
  away: { readonly [agent: string]: Unavailability } = { a: MAY },
  holders: readonly (readonly [string, string])[] = [['f', 'a']],
) =>
  refreshInverseOffers(book, {
    nowMs,
    timeoutMs: TIMEOUT_MS,
    unavailable: new Map(Object.entries(away)),
    holders: holders.map(([framework, agent]) => ({
      framework: frameworkId(framework),
      agent: agentId(agent),
    })),
  });
const answer = (book: InverseOfferBook, id: string, refuseMs = 5_000, framework = F) =>
  answerInverseOffers(book, {
    framework,
    ids: [offerId(id)],
    answer: 'declined',
    nowMs: 100,
    refuseMs,
  });
const first = refresh(emptyInverseOfferBook(7), 0);

describe('inverse offers', () => {
  test('go once to each holder on each agent that will be away', () => {
    const step = refresh(emptyInverseOfferBook(7), 0, { a: MAY, b: MAY }, [
      ['f', 'a'],
      ['f', 'a'],
      ['g', 'a'],
      ['f', 'b'],
      ['f', 'c'],
    ]);
    expect(step.issued.map((one) => `${one.id} ${one.framework} ${one.agent}`)).toEqual([
      '7-I1 f a',
      '7-I2 g a',
      '7-I3 f b',
    ]);
    expect(refresh(step.book, 10).issued).toEqual([]);
  });
  test('are taken back when the window moves, and made for the new one', () => {
    const step = refresh(first.book, 10, { a: JUNE });
    expect(step.rescinded.map((one) => one.id)).toEqual(['7-I1']);
    expect(step.issued).toMatchObject([{ id: '7-I2', unavailability: JUNE }]);
  });
  test('are taken back when the window goes or the framework holds nothing there', () => {
    expect(refresh(first.book, 10, {}).rescinded).toHaveLength(1);
    const left = refresh(first.book, 10, { a: MAY }, []);
    expect(left.rescinded).toHaveLength(1);
    expect(inverseAnswers(left.book)).toEqual([]);
  });
  test('nobody answers in time are made again', () => {
    const step = refresh(first.book, TIMEOUT_MS);
    expect([step.rescinded.length, step.issued[0]?.id]).toEqual([1, '7-I2']);
  });
});

describe('an answer', () => {
  test('is recorded, and asked again only when its time is over', () => {
    expect(inverseAnswers(first.book)).toEqual([
      { framework: 'f', agent: 'a', answer: 'unknown', atMs: 0 },
    ]);
    const book = answer(first.book, '7-I1');
    expect(inverseAnswers(book)).toEqual([
      { framework: 'f', agent: 'a', answer: 'declined', atMs: 100 },
    ]);
    expect(refresh(book, 5_099).issued).toEqual([]);
    const again = refresh(book, 5_100);
    expect(again.issued).toHaveLength(1);
    expect(inverseAnswers(again.book)).toMatchObject([{ answer: 'declined' }]);
  });
  test('to a window that moved is forgotten', () => {
    const moved = refresh(answer(first.book, '7-I1', 9e9), 200, { a: JUNE });
    expect(moved.issued).toHaveLength(1);
    expect(inverseAnswers(moved.book)).toMatchObject([{ answer: 'unknown' }]);
  });
  test("to somebody else's offer, or to none, changes nothing", () => {
    expect(answer(first.book, '7-I1', 0, frameworkId('g'))).toEqual(first.book);
    expect(answer(first.book, '7-I9')).toEqual(first.book);
  });
  test('goes with its framework', () => {
    const book = forgetInverseOffersOf(first.book, F);
    expect([book.offers.size, book.answers.size]).toEqual([0, 0]);
  });
});

test('the next look is due when an offer runs out or an answer does', () => {
  expect(nextInverseLookMs(first.book, 0, TIMEOUT_MS)).toBe(TIMEOUT_MS);
  expect(nextInverseLookMs(answer(first.book, '7-I1'), 100, TIMEOUT_MS)).toBe(5_100);
  expect(nextInverseLookMs(emptyInverseOfferBook(1), 0, TIMEOUT_MS)).toBe(Infinity);
});
