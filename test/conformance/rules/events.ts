import { expectEqual, expectThat } from '../mismatch.ts';
import type { Rule } from '../rule.ts';
import { amountOf } from '../session.ts';
import { listOf, read } from './reads.ts';

/** §1.5: what each event carries. */
export const EVENT_RULES: readonly Rule[] = [
  {
    id: '1.5/subscribed',
    title: 'SUBSCRIBED comes first, with the framework id and the heartbeat interval',
    async run(c) {
      const session = await c.open(c.subscribeCall(c.info()));
      const first = await session.next('an event', () => true);
      expectEqual('first event', first.type, 'SUBSCRIBED');
      expectThat('a framework id', session.frameworkId.length > 0, first);
      const interval = first.subscribed?.heartbeat_interval_seconds ?? 0;
      expectThat('a heartbeat interval between 0 and 15 s', interval > 0 && interval <= 15, first);
    },
  },
  {
    id: '1.5/master-info',
    title: 'SUBSCRIBED tells the master: id, ip, port and an address',
    async run(c) {
      const session = await c.subscribe();
      const info = session.events[0]?.subscribed?.master_info ?? {};
      const address = (info['address'] ?? {}) as { ip?: string; port?: number };
      expectThat('an id', typeof info['id'] === 'string' && info['id'] !== '', info);
      expectThat('a port', Number(info['port']) > 0, info);
      expectThat('an address with ip and port', (address.port ?? 0) > 0 && !!address.ip, info);
      const octets = (address.ip ?? '').split('.').map(Number);
      const ip = octets.reduceRight((value, octet) => value * 256 + octet, 0);
      expectEqual('ip with its first octet lowest', info['ip'], ip);
    },
  },
  {
    id: '1.5/heartbeat-first',
    title: 'the first HEARTBEAT follows SUBSCRIBED at once',
    async run(c) {
      const session = await c.subscribe();
      await session.next('HEARTBEAT', (event) => event.type === 'HEARTBEAT', 1_000);
    },
  },
  {
    id: '1.5/heartbeat',
    title: 'a HEARTBEAT comes at least once per announced interval',
    async run(c) {
      const session = await c.subscribe();
      const interval = session.events[0]?.subscribed?.heartbeat_interval_seconds ?? 15;
      await session.next(
        'the first',
        (event) => event.type === 'HEARTBEAT',
        1_000 + interval * 1e3,
      );
      const limitMs = interval * 1_000 + 2_000;
      await session.next('the second', (event) => event.type === 'HEARTBEAT', limitMs);
    },
  },
  {
    id: '1.5/heartbeat-below-ten',
    title: 'heartbeats are closer than 10 s, which old clients need (§1.15)',
    async run(c) {
      const session = await c.subscribe();
      const interval = session.events[0]?.subscribed?.heartbeat_interval_seconds ?? 15;
      expectThat('an interval below 10 s', interval < 10, interval);
    },
  },
  {
    id: '1.5/offer',
    title:
      'an offer names itself, framework, agent, host and where the agent is, and has cpus and mem',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      expectEqual('framework_id', offer.framework_id.value, session.frameworkId);
      expectThat('an id', offer.id.value !== '', offer);
      expectThat('an agent_id', offer.agent_id.value !== '', offer);
      expectThat('a hostname', offer.hostname !== '', offer);
      expectEqual('url.scheme', offer.url?.scheme, 'http');
      expectThat('url.address.ip', !!offer.url?.address?.ip, offer.url);
      expectThat('cpus and mem', amountOf(offer, 'cpus') > 0 && amountOf(offer, 'mem') > 0, offer);
    },
  },
  {
    id: '1.5/old-form',
    title:
      'without MULTI_ROLE and RESERVATION_REFINEMENT: no allocation_info, resources name a role',
    offers: true,
    async run(c) {
      const offer = await (await c.subscribe()).offer();
      expectEqual('allocation_info of the offer', offer.allocation_info, undefined);
      for (const resource of offer.resources ?? []) {
        expectEqual('allocation_info', resource.allocation_info, undefined);
        expectEqual('reservations', resource.reservations, undefined);
        expectThat('a role', typeof resource.role === 'string', resource);
      }
    },
  },
  {
    id: '1.5/new-form',
    title: 'with them: allocation_info everywhere, no role and no reservation field',
    offers: true,
    async run(c) {
      const offer = await (await c.subscribe(c.multiRole())).offer();
      const role = offer.allocation_info?.role ?? '';
      expectThat('a role of the framework', (c.roles as readonly string[]).includes(role), offer);
      for (const resource of offer.resources ?? []) {
        expectEqual('role allocated to', resource.allocation_info?.role, role);
        expectEqual('role', resource.role, undefined);
        expectEqual('reservation', resource.reservation, undefined);
      }
    },
  },
  {
    id: '1.5/once-at-a-time',
    title: 'resources are in one offer at a time',
    offers: true,
    async run(c) {
      const first = await c.subscribe();
      await first.settle(1_500);
      const other = await c.subscribe();
      await other.settle(1_500);
      const offers = [...first.offers, ...other.offers];
      expectThat('offers', first.offers.length > 0, offers);
      for (const agent of listOf((await read(c, '/slaves'))['slaves'])) {
        const held = offers
          .filter((one) => one.agent_id.value === agent['id'])
          .reduce((sum, one) => sum + amountOf(one, 'cpus'), 0);
        const all = Number((agent['resources'] as { cpus?: number }).cpus);
        expectThat(`at most ${all} cpus of ${String(agent['id'])} in offers`, held <= all, held);
      }
    },
  },
  {
    id: '1.5/error-closes',
    title: 'the stream closes after ERROR',
    async run(c) {
      await c.refused(c.info({ role: '/' }));
    },
  },
];
