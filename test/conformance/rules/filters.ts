import { expectEqual, expectThat } from '../mismatch.ts';
import type { Context, Rule } from '../rule.ts';
import { isNoMoreThan, type Offer, type Session } from '../session.ts';
import type { Json } from '../wire/protobuf.ts';

/** Declines everything offered so far. */
export async function declineAll(session: Session, first: Offer, filters?: Json): Promise<void> {
  await session.settle();
  const ids = [first.id, ...session.offers.map((one) => one.id)];
  session.offers.length = 0;
  await session.ok('DECLINE', { offer_ids: ids, ...(filters === undefined ? {} : { filters }) });
}

function declineRule(
  name: string,
  title: string,
  filters: Json | undefined,
  times: { readonly quietMs: number; readonly againMs: number },
): Rule {
  return {
    id: `1.11/${name}`,
    title,
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      await declineAll(session, offer, filters);
      const same = (one: Offer): boolean => one.agent_id.value === offer.agent_id.value;
      // More than was declined may come: a task may end meanwhile.
      if (times.quietMs > 0)
        await session.noOffer(times.quietMs, (one) => isNoMoreThan(one, offer));
      await session.offer({ cpus: 0.1 }, times.againMs, same);
    },
  };
}

const constraintsOf = (role: string, ...constraints: Json[]): Json => ({
  offer_constraints: {
    role_constraints: { [role]: { groups: [{ attribute_constraints: constraints }] } },
  },
});
const hostname = (predicate: Json): Json => ({
  selector: { pseudoattribute_type: 'HOSTNAME' },
  predicate,
});
const attribute = (predicate: Json): Json => ({
  selector: { attribute_name: 'no-such-attribute' },
  predicate,
});

/** Constraints that no agent meets, or that all do. */
const CONSTRAINTS: readonly (readonly [string, Json, boolean])[] = [
  ['hostname-equals-none', hostname({ text_equals: { value: 'no-such-host' } }), false],
  ['hostname-not-equals', hostname({ text_not_equals: { value: 'no-such-host' } }), true],
  ['hostname-exists', hostname({ exists: {} }), true],
  ['hostname-matches-all', hostname({ text_matches: { regex: '.+' } }), true],
  ['hostname-matches-whole', hostname({ text_matches: { regex: '^$' } }), false],
  ['hostname-not-matches', hostname({ text_not_matches: { regex: '.+' } }), false],
  ['attribute-exists', attribute({ exists: {} }), false],
  ['attribute-not-exists', attribute({ not_exists: {} }), true],
];

const BAD_CONSTRAINTS: readonly (readonly [string, string, (c: Context) => Json])[] = [
  [
    'role',
    'on a role that is none of the roles',
    () => constraintsOf('not-mine', hostname({ exists: {} })),
  ],
  ['empty-group', 'with an empty group', (c) => constraintsOf(c.role)],
  [
    'empty-role',
    'with a role without groups',
    (c) => ({ offer_constraints: { role_constraints: { [c.role]: {} } } }),
  ],
  [
    'no-selector',
    'without a selector',
    (c) => constraintsOf(c.role, { selector: {}, predicate: { exists: {} } }),
  ],
  ['no-predicate', 'without a predicate', (c) => constraintsOf(c.role, { ...hostname({}) })],
  [
    'bad-regex',
    'with a regular expression that is none',
    (c) => constraintsOf(c.role, hostname({ text_matches: { regex: '(' } })),
  ],
  [
    'huge-regex',
    'with a regular expression beyond the budget',
    (c) =>
      constraintsOf(c.role, hostname({ text_matches: { regex: '(((a{1,9}){1,9}){1,9}){1,9}' } })),
  ],
];

/** §1.11: offer filters, minimal offers, offer constraints. */
export const FILTER_RULES: readonly Rule[] = [
  declineRule('default', 'declined resources stay away for 5 s by default', undefined, {
    quietMs: 4_000,
    againMs: 12_000,
  }),
  declineRule(
    'zero',
    'with refuse_seconds 0 they come back at once',
    { refuse_seconds: 0 },
    {
      quietMs: 0,
      againMs: 4_000,
    },
  ),
  declineRule(
    'negative',
    'a negative refuse_seconds means the default',
    { refuse_seconds: -1 },
    {
      quietMs: 4_000,
      againMs: 12_000,
    },
  ),
  declineRule(
    'seconds',
    'refuse_seconds is honoured',
    { refuse_seconds: 8 },
    {
      quietMs: 7_000,
      againMs: 12_000,
    },
  ),
  {
    id: '1.11/for-ever',
    title: 'a refuse_seconds beyond a year is capped, not refused',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      await declineAll(session, offer, { refuse_seconds: 1e18 });
      await session.noOffer(3_000, (one) => isNoMoreThan(one, offer));
    },
  },
  {
    id: '1.11/bigger',
    title: 'an offer with more than was declined is made in spite of the filter',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id, offer } = await session.runOne('holds');
      const onAgent = (one: Offer): boolean => one.agent_id.value === offer.agent_id.value;
      const rest = await session.offer({ cpus: 0.1 }, 20_000, onAgent);
      await declineAll(session, rest, { refuse_seconds: 3_600 });
      await session.ok('KILL', { task_id: { value: id } });
      await session.follow(id, 'TASK_KILLED');
      // Another framework may hold it for a while.
      const later = await session.offer({ cpus: 0.1 }, 70_000, onAgent);
      expectThat('more than was declined', !isNoMoreThan(later, rest), later.resources);
    },
  },
  {
    id: '1.11/unknown-offer',
    title: 'a decline of unknown offers is accepted',
    async run(c) {
      await (await c.subscribe()).ok('DECLINE', { offer_ids: [{ value: 'no-such-offer' }] });
    },
  },
  {
    id: '1.11/per-framework',
    title: 'a filter holds back one framework only',
    offers: true,
    async run(c) {
      const first = await c.subscribe();
      const offer = await first.offer();
      await declineAll(first, offer, { refuse_seconds: 60 });
      const declined = new Set(
        first.events
          .flatMap((event) => event.offers?.offers ?? [])
          .map((one) => one.agent_id.value),
      );
      const other = await c.subscribe();
      // Somebody else may be quicker with one of them.
      await other.offer({ cpus: 0.1 }, 10_000, (one) => declined.has(one.agent_id.value));
    },
  },
  {
    id: '1.11/accept-leftovers',
    title: 'what an ACCEPT leaves is filtered by its filters',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      const same = (one: Offer): boolean => one.agent_id.value === offer.agent_id.value;
      await session.accept([offer], [], 8);
      await session.noOffer(6_000, (one) => isNoMoreThan(one, offer));
      await session.offer({ cpus: 0.1 }, 12_000, same);
    },
  },
  {
    id: '1.11/accept-nothing',
    title: 'an ACCEPT without operations and with refuse_seconds 0 gives the offer back',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      await session.accept([offer], [], 0);
      await session.offer(
        { cpus: 0.1 },
        4_000,
        (one) => one.agent_id.value === offer.agent_id.value,
      );
    },
  },
  {
    id: '1.11/min-allocatable',
    title: 'offers below min_allocatable_resources are not made',
    offers: true,
    async run(c) {
      const quantities = [{ quantities: { cpus: { value: 1_000_000 } } }];
      const offer_filters = { [c.role]: { min_allocatable_resources: { quantities } } };
      await (await c.subscribe(c.info({ offer_filters }))).noOffer(3_000);
      const small = [{ quantities: { cpus: { value: 0.01 } } }];
      const session = await c.subscribe(
        c.info({
          offer_filters: { [c.role]: { min_allocatable_resources: { quantities: small } } },
        }),
      );
      await session.offer();
    },
  },
  ...CONSTRAINTS.map(
    ([name, constraint, passes]): Rule => ({
      id: `1.11/constraint-${name}`,
      title: `${name.replaceAll('-', ' ')} ${passes ? 'lets offers pass' : 'holds offers back'}`,
      offers: true,
      async run(c) {
        const session = await c.subscribe(c.info(), constraintsOf(c.role, constraint));
        if (passes) await session.offer();
        else await session.noOffer(3_000);
      },
    }),
  ),
  {
    id: '1.11/constraint-groups',
    title: 'groups are alternatives: one that holds is enough',
    offers: true,
    async run(c) {
      const groups = [
        { attribute_constraints: [hostname({ text_equals: { value: 'no-such-host' } })] },
        { attribute_constraints: [hostname({ exists: {} })] },
      ];
      const constraints = { offer_constraints: { role_constraints: { [c.role]: { groups } } } };
      await (await c.subscribe(c.info(), constraints)).offer();
    },
  },
  {
    id: '1.11/constraint-one-host',
    title: 'with HOSTNAME equal to that of one agent only its offers come',
    offers: true,
    async run(c) {
      const first = await c.subscribe();
      const { hostname: value } = await first.offer();
      await first.ok('TEARDOWN');
      const session = await c.subscribe(
        c.info(),
        constraintsOf(c.role, hostname({ text_equals: { value } })),
      );
      const offer = await session.offer();
      for (const one of [offer, ...session.offers]) expectEqual('hostname', one.hostname, value);
    },
  },
  ...BAD_CONSTRAINTS.map(
    ([name, what, constraints]): Rule => ({
      id: `1.11/bad-constraint-${name}`,
      title: `offer constraints ${what} are refused with an ERROR event`,
      async run(c) {
        await c.refused(c.info(), constraints(c));
      },
    }),
  ),
];
