import { describe, expect, test } from '@jest/globals';
import { parseName, parseUpOptions, UsageError } from './options.ts';

describe('flags of up', () => {
  test('have defaults, and each is read', () => {
    expect(parseUpOptions(['--nodes', 'fake:3'])).toEqual({
      name: 'mezzo',
      nodes: { kind: 'fake', count: 3 },
      useCurrent: false,
      detach: false,
      onlyCluster: false,
      assetsFrom: undefined,
    });
    const all = ['--detach', '--name', 'two', '--nodes=fake:1', '--only=cluster'];
    expect(parseUpOptions([...all, '--assets-from', 'build'])).toMatchObject({
      name: 'two',
      detach: true,
      onlyCluster: true,
      assetsFrom: 'build',
    });
  });

  test('--help asks for the help text', () => {
    expect(parseUpOptions(['--help'])).toBeUndefined();
  });

  test.each([
    { args: ['--nodes', 'fake:0'], says: '--nodes is "fake:0"; use real:N (1 to 20) or fake:N' },
    { args: ['--nodes', 'many'], says: '--nodes is "many"' },
    { args: ['--cluster', 'prod'], says: '--cluster is "prod"; it takes only "current"' },
    { args: ['--only', 'crds'], says: '--only is "crds"; it takes only "cluster"' },
    { args: ['--cluster', 'current', '--nodes', 'fake:2'], says: 'leave out --nodes' },
    { args: ['--assets-from', 'web'], says: '"web"; use "download" or "build"' },
    { args: ['--detatch'], says: "Unknown option '--detatch'" },
  ])('a mistake is told with what is allowed: $args', ({ args, says }) => {
    expect(() => parseUpOptions(args)).toThrow(says);
  });

  test.each(['../x', 'UPPER', '', 'a/b', '-x'])(
    'a name that is no folder is refused: %p',
    (name) => {
      expect(() => parseName(name)).toThrow(UsageError);
    },
  );
});
