import { beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import { agentId, frameworkId, offerId } from '../../../model/ids.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import type { WireOffer } from '../../../schema/mesos/event.ts';
import { PortBook } from './portBook.ts';

const AGENT = agentId('n1');
const US = frameworkId('F');
let clock: FakeClock;
let pods: Pod[];
let outstanding: Set<string>;
let book: PortBook;

beforeEach(() => {
  clock = new FakeClock();
  pods = [];
  outstanding = new Set();
  book = new PortBook({
    range: { begin: 100, end: 109 },
    clock,
    podsOn: () => pods,
    isOutstanding: (_framework, offer) => outstanding.has(offer),
  });
});

const WIRE: WireOffer = {
  id: { value: 'x' },
  framework_id: { value: 'F' },
  agent_id: { value: 'n1' },
  hostname: 'n1',
  url: { scheme: 'http', address: { hostname: 'n1', ip: '1.2.3.4', port: 1 }, path: '/' },
  resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 1 }, role: '*' }],
};
function offered(id: string, agent = AGENT): string {
  outstanding.add(id);
  const wire = book.onto(WIRE, US, { id: offerId(id), agent });
  const ports = wire.resources.find((one) => one.name === 'ports');
  const range = ports?.type === 'RANGES' ? ports.ranges.range : [];
  return range.map(({ begin, end }) => `${begin}-${end}`).join(' ');
}
const podWith = (more: Partial<Pod['spec']>, ...hostPorts: readonly number[]): Pod => ({
  metadata: { name: `p${hostPorts.join()}` },
  spec: {
    containers: [
      {
        name: 'c',
        image: 'x',
        ports: hostPorts.map((port) => ({ containerPort: port, hostPort: port })),
      },
    ],
    ...more,
  },
});

test('an offer holds every port that is free on its agent, in the words of its other resources', () => {
  expect(offered('1')).toBe('100-109');
  const wire = book.onto(WIRE, US, { id: offerId('2'), agent: agentId('n2') });
  expect(wire.resources[1]).toEqual({
    name: 'ports',
    type: 'RANGES',
    ranges: { range: [{ begin: 100, end: 109 }] },
    role: '*',
  });
});

test('no port is in two offers of one agent, and ended offers give theirs back', () => {
  offered('1');
  expect(offered('2')).toBe('');
  expect(offered('other', agentId('n2'))).toBe('100-109');
  outstanding.delete('1');
  expect(offered('3')).toBe('100-109');
});

test('what Pods hold is not offered, whoever made them, until they have ended', () => {
  pods = [podWith({}, 103), podWith({ hostNetwork: true }, 100), podWith({}, 109)];
  expect(offered('1')).toBe('101-102 104-108');
  outstanding.clear();
  pods = [{ ...podWith({}, 103), status: { phase: 'Succeeded' } }];
  expect(offered('2')).toBe('100-109');
});

test('two tasks of one call cannot take the same port', () => {
  offered('1');
  const open = book.open([offerId('1')]);
  open.claim(podWith({}, 104));
  expect(open.ranges()).toEqual([
    { begin: 100, end: 103 },
    { begin: 105, end: 109 },
  ]);
});

test('a launched port is held until its Pod can have been seen', async () => {
  offered('1');
  const open = book.open([offerId('1')]);
  open.claim(podWith({}, 104));
  open.keep(AGENT);
  outstanding.clear();
  expect(offered('2')).toBe('100-103 105-109');
  outstanding.clear();
  await clock.advance(60_000);
  expect(offered('3')).toBe('100-109');
});

test('offers that are unknown, or accepted already, open nothing', () => {
  offered('1');
  book.open([offerId('1')]).keep(AGENT);
  expect(book.open([offerId('1')]).ranges()).toEqual([]);
  expect(book.open([offerId('never')]).ranges()).toEqual([]);
});
