import { expectEqual, expectThat } from '../mismatch.ts';
import { askAgain, type Context, type Rule } from '../rule.ts';
import type { Event, InverseOffer, Offer, Session } from '../session.ts';
import type { Json } from '../wire/protobuf.ts';
import { ask } from './operatorApi.ts';
import { listOf } from './reads.ts';

const HOUR_NS = 3_600_000_000_000;

async function scheduleOf(c: Context): Promise<readonly Json[]> {
  const reply = (await ask(c, 'GET_MAINTENANCE_SCHEDULE'))['get_maintenance_schedule'] as Json;
  return listOf((reply['schedule'] as Json | undefined)?.['windows']);
}

/** Adds a window from tomorrow on for the agent of an offer; afterwards the schedule is what it was. */
async function withWindow(
  c: Context,
  offer: Offer,
  body: (unschedule: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const before = await scheduleOf(c);
  const put = (windows: readonly Json[]): Promise<Json> =>
    ask(c, 'UPDATE_MAINTENANCE_SCHEDULE', { schedule: { windows } });
  const start = { nanoseconds: Date.now() * 1_000_000 + 24 * HOUR_NS };
  const machine = { hostname: offer.hostname, ip: offer.url?.address?.ip };
  await put([
    ...before,
    { machine_ids: [machine], unavailability: { start, duration: { nanoseconds: HOUR_NS } } },
  ]);
  try {
    await body(async () => {
      await put(before);
    });
  } finally {
    await put(before);
  }
}

const inverseOffersOf = (event: Event): readonly InverseOffer[] =>
  event.inverse_offers?.inverse_offers ?? [];

async function inverseOffer(session: Session, agent: string): Promise<InverseOffer> {
  const isMine = (one: InverseOffer): boolean => one.agent_id?.value === agent;
  const event = await session.next(`INVERSE_OFFERS for ${agent}`, (one) =>
    inverseOffersOf(one).some(isMine),
  );
  return inverseOffersOf(event).find(isMine) as InverseOffer;
}

/** The answer of a framework as the maintenance status tells it. */
async function answerOf(c: Context, framework: string): Promise<unknown> {
  const reply = (await ask(c, 'GET_MAINTENANCE_STATUS'))['get_maintenance_status'] as Json;
  const machines = listOf((reply['status'] as Json)['draining_machines']);
  const statuses = machines.flatMap((one) => listOf(one['statuses']));
  const mine = statuses.find((one) => (one['framework_id'] as Json)['value'] === framework);
  return mine?.['status'];
}

/** §1.4, §1.5 and §2.12: maintenance as frameworks hear of it. The caller needs the right to schedule it. */
export const MAINTENANCE_RULES: readonly Rule[] = [
  {
    id: '1.5/inverse-offer',
    title:
      'a framework with a task on an agent that is to be away gets an inverse offer, taken back when the schedule changes',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { offer } = await session.runOne('moves');
      await withWindow(c, offer, async (unschedule) => {
        const one = await inverseOffer(session, offer.agent_id.value);
        expectEqual('framework_id', one.framework_id.value, session.frameworkId);
        expectThat('a start', one.unavailability.start.nanoseconds > 0, one);
        expectEqual('duration', Number(one.unavailability.duration?.nanoseconds), HOUR_NS);
        expectEqual('resources', (one.resources ?? []).length, 0);
        await unschedule();
        await session.next(
          'RESCIND_INVERSE_OFFER',
          (event) => event.rescind_inverse_offer?.inverse_offer_id.value === one.id.value,
        );
      });
    },
  },
  {
    id: '1.5/unavailability',
    title: 'offers of an agent that is to be away are rescinded, and those after them say so',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      await withWindow(c, offer, async () => {
        await session.next(
          `RESCIND of ${offer.id.value}`,
          (event) => event.rescind?.offer_id.value === offer.id.value,
        );
        const later = await session.offer(
          { cpus: 0.1 },
          20_000,
          (one) => one.agent_id.value === offer.agent_id.value && one.id.value !== offer.id.value,
        );
        const start = Number(later.unavailability?.start.nanoseconds);
        expectThat('an unavailability with a start', start > 0, later);
      });
    },
  },
  ...(['ACCEPT', 'DECLINE'] as const).map(
    (answer): Rule => ({
      id: `1.4/${answer.toLowerCase()}-inverse-offers-recorded`,
      title: `${answer}_INVERSE_OFFERS is recorded in the maintenance status, and nothing is stopped`,
      offers: true,
      async run(c) {
        const session = await c.subscribe();
        const { id, offer } = await session.runOne('asked');
        await withWindow(c, offer, async () => {
          const one = await inverseOffer(session, offer.agent_id.value);
          await session.ok(`${answer}_INVERSE_OFFERS`, { inverse_offer_ids: [one.id] });
          await askAgain(async () => {
            await session.settle();
            expectEqual('status', await answerOf(c, session.frameworkId), answer);
          });
          await session.ok('RECONCILE', { tasks: [{ task_id: { value: id } }] });
          expectEqual('state', (await session.update(id)).state, 'TASK_RUNNING');
        });
      },
    }),
  ),
];
