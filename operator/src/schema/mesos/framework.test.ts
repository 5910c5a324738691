import { describe, expect, test } from '@jest/globals';
import { ipToMesosInt } from './event.ts';
import { FrameworkInfo, frameworkInfoFault, idFault, roleFault, rolesOf } from './framework.ts';

const info = (more: object = {}): FrameworkInfo =>
  FrameworkInfo.parse({ user: 'root', name: 'example', ...more });
const MULTI = { capabilities: [{ type: 'MULTI_ROLE' }] };

describe('roles of a framework', () => {
  test.each([
    ['no role is the default role', info(), ['*']],
    ['the old field', info({ role: 'eng/web' }), ['eng/web']],
    ['MULTI_ROLE', info({ ...MULTI, roles: ['a', 'b'] }), ['a', 'b']],
    ['MULTI_ROLE without roles has none', info(MULTI), []],
  ])('%s', (_name, framework, expected) => {
    expect(rolesOf(framework)).toEqual(expected);
    expect(frameworkInfoFault(framework)).toBeUndefined();
  });

  test.each([
    ['role with MULTI_ROLE', info({ ...MULTI, role: 'a' }), /'FrameworkInfo.role'/],
    ['roles without MULTI_ROLE', info({ roles: ['a'] }), /'FrameworkInfo.roles'/],
    ['a duplicate', info({ ...MULTI, roles: ['a', 'a'] }), /duplicate/],
    ['a bad role', info({ role: 'a//b' }), /empty component/],
    ['an id with a slash', info({ id: { value: 'a/b' } }), /'FrameworkInfo.id'/],
    ['an infinite failover_timeout', info({ failover_timeout: 'Infinity' }), /failover_timeout/],
  ])('refuses %s', (_name, framework, message) => {
    expect(frameworkInfoFault(framework)).toMatch(message);
  });
});

test.each(['', '/a', 'a/', 'a//b', 'a/./b', '..', 'a/*', '-a', 'a b', 'a\u007f', 'a\u0000'])(
  'role %j is refused',
  (role) => {
    expect(roleFault(role)).toBeDefined();
  },
);

test.each(['', '.', '..', 'a/b', 'a\\b', 'a\nb', 'x'.repeat(256)])('id %j is refused', (id) => {
  expect(idFault(id)).toBeDefined();
});
test.each(['A_b.c-1', 'x'.repeat(255), 'ünï'])('id %j is accepted', (id) => {
  expect(idFault(id)).toBeUndefined();
});

test('MasterInfo.ip has its first octet lowest', () => {
  expect(ipToMesosInt('127.0.0.1')).toBe(16_777_343);
  expect(ipToMesosInt('::1')).toBe(0);
});
