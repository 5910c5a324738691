import { expectThat } from '../mismatch.ts';
import type { Context, Rule } from '../rule.ts';
import type { Json } from '../wire/protobuf.ts';

const capabilities = (...types: string[]): Json => ({
  capabilities: types.map((type) => ({ type })),
});

const BAD_ROLES = [
  ['empty', ''],
  ['leading-slash', '/a'],
  ['trailing-slash', 'a/'],
  ['double-slash', 'a//b'],
  ['dot', 'a/.'],
  ['dot-dot', '../a'],
  ['star-inside', 'a/*'],
  ['leading-dash', '-a'],
  ['dash-component', 'a/-b'],
  ['blank', 'a b'],
  ['tab', 'a\tb'],
  ['delete', 'a\u007f'],
] as const;

const BAD_IDS = [
  ['slash', 'a/b'],
  ['backslash', 'a\\b'],
  ['control', 'a\u0001b'],
  ['dot', '.'],
  ['dot-dot', '..'],
  ['long', 'x'.repeat(256)],
] as const;

/** What is refused with an ERROR event, and a word the message must hold. */
const REFUSALS: readonly (readonly [string, string, (c: Context) => Json])[] = [
  [
    'multi-role-with-role',
    'MULTI_ROLE with the field role',
    (c) => c.info({ ...capabilities('MULTI_ROLE'), roles: [c.roles[0]] }),
  ],
  [
    'roles-without-multi-role',
    'roles without MULTI_ROLE',
    (c) => c.info({ role: undefined, roles: [c.role] }),
  ],
  ['roles-twice', 'a role twice', (c) => c.multiRole({ roles: [c.roles[0], c.roles[0]] })],
  [
    'failover-timeout-huge',
    'a failover_timeout no duration holds',
    (c) => c.info({ failover_timeout: 1e300 }),
  ],
  ...BAD_ROLES.map(
    ([name, role]) =>
      [
        `role-${name}`,
        `the role ${encodeURI(role)} (${name})`,
        (c: Context) => c.info({ role }),
      ] as const,
  ),
  ...BAD_IDS.map(
    ([name, value]) =>
      [`id-${name}`, `an id (${name})`, (c: Context) => c.info({ id: { value } })] as const,
  ),
];

/** §1.6: FrameworkInfo and capabilities. */
export const FRAMEWORK_INFO_RULES: readonly Rule[] = [
  ...REFUSALS.map(
    ([name, what, info]): Rule => ({
      id: `1.6/${name}`,
      title: `${what} is refused with an ERROR event`,
      async run(c) {
        const message = await c.refused(info(c));
        expectThat('a message that says why', message.length > 10, message);
      },
    }),
  ),
  {
    id: '1.6/suppressed-stranger',
    title: 'a suppressed role that is none of the roles is refused with an ERROR event',
    async run(c) {
      await c.refused(c.info(), { suppressed_roles: ['not-mine'] });
    },
  },
  {
    id: '1.6/multi-role',
    title: 'a MULTI_ROLE framework subscribes with several roles',
    async run(c) {
      await c.subscribe(c.multiRole());
    },
  },
  {
    id: '1.6/no-role',
    title: 'a framework without a role is in the default role *',
    async run(c) {
      const info = c.info({ role: undefined });
      const session = await c.open({ type: 'SUBSCRIBE', subscribe: { framework_info: info } });
      await session.next('SUBSCRIBED', (event) => event.type === 'SUBSCRIBED');
    },
  },
  {
    id: '1.6/any-id',
    title: 'ids with upper case, underscores, dots and 255 characters are taken and echoed',
    async run(c) {
      const mark = String(c.unknownId()['value']);
      for (const value of [`Up_${mark}.9`, `${mark}${'x'.repeat(255 - mark.length)}`]) {
        const session = await c.subscribe(c.info({ id: { value } }));
        expectThat(`the id ${value}`, session.frameworkId === value, session.frameworkId);
      }
    },
  },
  {
    id: '1.6/all-capabilities',
    title: 'every capability of Mesos 1.11 is taken',
    async run(c) {
      await c.subscribe(
        c.multiRole(
          capabilities(
            'REVOCABLE_RESOURCES',
            'TASK_KILLING_STATE',
            'GPU_RESOURCES',
            'SHARED_RESOURCES',
            'PARTITION_AWARE',
            'MULTI_ROLE',
            'RESERVATION_REFINEMENT',
            'REGION_AWARE',
          ),
        ),
      );
    },
  },
  {
    id: '1.6/revocable-only-when-asked',
    title: 'revocable resources are not offered without REVOCABLE_RESOURCES',
    offers: true,
    async run(c) {
      const offer = await (await c.subscribe()).offer();
      const revocable = (offer.resources ?? []).filter((one) => one.revocable !== undefined);
      expectThat('no revocable resource', revocable.length === 0, revocable);
    },
  },
  {
    id: '1.6/principal-of-another',
    title: "a principal in FrameworkInfo that is not the caller's is refused",
    needs: 'token',
    async run(c) {
      const info = c.info({ principal: 'somebody-else' });
      await c.expectSubscribeStatus(400, c.subscribeCall(info));
    },
  },
];
