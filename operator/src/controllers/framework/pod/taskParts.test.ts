import { describe, expect, test } from '@jest/globals';
import {
  dockerImage,
  POD_CONTEXT,
  refusalOf,
  translatedContainer,
  translatedPod,
  withPorts,
} from '../../../../../test/support/taskPods.ts';

const variables = (...list: readonly object[]): object => ({
  command: { value: 'x', environment: { variables: list } },
});
const scalars = (amounts: { readonly [name: string]: number }): object => ({
  resources: Object.entries(amounts).map(([name, value]) => ({
    name,
    type: 'SCALAR',
    scalar: { value },
  })),
});

describe('environment', () => {
  test('a secret by reference is read by the kubelet, never by the operator', () => {
    const secret = { type: 'REFERENCE', reference: { name: 'db', key: 'password' } };
    const { env } = translatedContainer(variables({ name: 'PASSWORD', type: 'SECRET', secret }));
    expect(env).toContainEqual({
      name: 'PASSWORD',
      valueFrom: { secretKeyRef: { name: 'db', key: 'password' } },
    });
  });

  test.each([
    ['a secret without a secret', { name: 'S', type: 'SECRET' }, /must have a secret set/],
    [
      'a secret with a value beside it',
      { name: 'S', type: 'SECRET', value: 'v', secret: {} },
      /must not have a value set/,
    ],
    ['a value without a value', { name: 'S' }, /must have a value set/],
    ['a value with a secret', { name: 'S', value: 'v', secret: {} }, /must not have a secret set/],
    [
      'a secret sent along',
      { name: 'S', type: 'SECRET', secret: { type: 'VALUE', value: { data: 'cw==' } } },
      /secret\.value: everybody who can read the Pod/,
    ],
    [
      'a secret of type VALUE that also refers to one',
      { name: 'S', type: 'SECRET', secret: { type: 'VALUE', reference: { name: 'a', key: 'k' } } },
      /secret\.value: everybody/,
    ],
    [
      'a reference without a key',
      { name: 'S', type: 'SECRET', secret: { reference: { name: 'db' } } },
      /reference\.key/,
    ],
    [
      'a reference with a path for a name',
      { name: 'S', type: 'SECRET', secret: { reference: { name: '../x', key: 'k' } } },
      /reference\.name/,
    ],
    ['a nameless variable', { name: '', value: 'v' }, /variables\[0\]\.name/],
    ['a null character', { name: 'A', value: 'a\u0000b' }, /variables\[0\]\.value/],
  ])('%s is refused', (_name, variable, message) => {
    expect(refusalOf(variables(variable))).toMatch(message);
  });
});

describe('images and parameters', () => {
  test('a forced pull, and a Mesos image that may not come from the cache, are pulled each time', () => {
    expect(
      translatedContainer(dockerImage('a:1', { force_pull_image: true })).imagePullPolicy,
    ).toBe('Always');
    const image = { type: 'DOCKER', docker: { name: 'b:1' }, cached: false };
    const container = translatedContainer({ container: { type: 'MESOS', mesos: { image } } });
    expect(container).toMatchObject({ image: 'b:1', imagePullPolicy: 'Always' });
  });

  test('credentials of a registry are a Secret of the namespace', () => {
    const docker = { name: 'b:1', config: { type: 'REFERENCE', reference: { name: 'pull' } } };
    const image = { type: 'DOCKER', docker };
    const pod = translatedPod({ container: { type: 'MESOS', mesos: { image } } });
    expect(pod.spec.imagePullSecrets).toEqual([{ name: 'pull' }]);
  });

  test('flags of docker run that have a counterpart are translated', () => {
    const parameters = [
      { key: 'env', value: 'A=b=$(c)' },
      { key: 'w', value: '/srv' },
      { key: 'user', value: '1000:1000' },
      { key: 'hostname', value: 'box' },
      { key: 'read-only', value: 'true' },
      { key: 'entrypoint', value: '/bin/other' },
      { key: 'dns', value: '10.0.0.2' },
      { key: 'dns-search', value: 'example.test' },
      { key: 'add-host', value: 'db:10.0.0.3' },
      { key: 'cap-add', value: 'CAP_NET_BIND_SERVICE' },
    ];
    const pod = translatedPod({ command: { shell: false }, ...dockerImage('x', { parameters }) });
    expect(pod.spec).toMatchObject({
      hostname: 'box',
      dnsConfig: { nameservers: ['10.0.0.2'], searches: ['example.test'], options: [] },
      hostAliases: [{ ip: '10.0.0.3', hostnames: ['db'] }],
    });
    expect(pod.spec.containers[0]).toMatchObject({
      command: ['/bin/other'],
      workingDir: '/srv',
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
        readOnlyRootFilesystem: true,
        runAsUser: 1000,
      },
    });
    expect(pod.spec.containers[0]?.env).toContainEqual({ name: 'A', value: 'b=$$(c)' });
  });

  test.each([
    ['root', { key: 'user', value: '0' }, /parameters\[0\]\.value: 'user' must be the number/],
    ['a user name', { key: 'u', value: 'root' }, /must be the number/],
    ['an unknown flag', { key: 'init', value: 'true' }, /parameters\[0\]\.key: 'init'/],
    ['a port', { key: 'publish', value: '1:1' }, /use container\.docker\.port_mappings/],
    ['a memory limit', { key: 'memory', value: '1g' }, /use limits/],
    ['a name', { key: 'name', value: 'x' }, /'name' is not translated/],
  ])('%s is refused', (_name, parameter, message) => {
    expect(refusalOf(dockerImage('x', { parameters: [parameter] }))).toMatch(message);
  });

  test('shared memory of a given size', () => {
    const pod = translatedPod({ container: { linux_info: { shm_size: 64 } } });
    expect(pod.spec.volumes).toContainEqual({
      name: 'sandbox-shm',
      emptyDir: { medium: 'Memory', sizeLimit: '64Mi' },
    });
    expect(pod.spec.containers[0]?.volumeMounts).toContainEqual({
      name: 'sandbox-shm',
      mountPath: '/dev/shm',
    });
  });
});

describe('ports', () => {
  test('an offered port is reachable at the host under its own number', () => {
    expect(translatedContainer(withPorts([31_000, 31_001])).ports).toEqual([
      { containerPort: 31_000, hostPort: 31_000, protocol: 'TCP' },
      { containerPort: 31_001, hostPort: 31_001, protocol: 'TCP' },
    ]);
  });

  test('a mapping says which port of the container it is', () => {
    const port_mappings = [
      { host_port: 31_000, container_port: 80 },
      { host_port: 31_001, container_port: 53, protocol: 'udp' },
    ];
    const task = {
      ...withPorts([31_000, 31_001]),
      ...dockerImage('x', { network: 'BRIDGE', port_mappings }),
    };
    expect(translatedContainer(task).ports).toEqual([
      { containerPort: 80, hostPort: 31_000, protocol: 'TCP' },
      { containerPort: 53, hostPort: 31_001, protocol: 'UDP' },
    ]);
  });

  test.each([
    ['a port that was not offered', withPorts([31_011, 31_011]), /port 31011 is not among/],
    ['port 0', withPorts([0, 1]), /0-1/],
    ['a range backwards', withPorts([31_001, 31_000]), /31001-31000/],
    ['too many', withPorts([1, 65_535]), /more than 256/],
    ['one port twice', withPorts([31_000, 31_001], [31_001, 31_002]), /31001 twice/],
    [
      'a mapping of a port the task does not take',
      dockerImage('x', { port_mappings: [{ host_port: 31_000, container_port: 80 }] }),
      /port_mappings\[0\]\.host_port: 31000/,
    ],
    [
      'a mapping with an unknown protocol',
      {
        ...withPorts([31_000, 31_000]),
        ...dockerImage('x', {
          port_mappings: [{ host_port: 31_000, container_port: 80, protocol: 'quic' }],
        }),
      },
      /port_mappings\[0\]\.protocol/,
    ],
    [
      'a scalar',
      { resources: [{ name: 'ports', type: 'SCALAR', scalar: { value: 1 } }] },
      /'ports' must be of type RANGES/,
    ],
  ])('%s is refused', (_name, more, message) => {
    expect(refusalOf(more)).toMatch(message);
  });
});

describe('resources and limits', () => {
  test('limits may lie above the requests, and Infinity is none', () => {
    const container = translatedContainer({
      ...scalars({ cpus: 0.5, mem: 64 }),
      limits: { cpus: { value: 'Infinity' }, mem: { value: 128 } },
    });
    expect(container.resources).toEqual({
      requests: { cpu: '500m', memory: '64Mi' },
      limits: { memory: '128Mi' },
    });
  });

  test('disk is what the sandbox may hold', () => {
    const pod = translatedPod(scalars({ cpus: 0.1, disk: 10 }));
    expect(pod.spec.volumes).toEqual([{ name: 'sandbox', emptyDir: { sizeLimit: '10Mi' } }]);
    expect(pod.spec.containers[0]?.resources?.limits).toMatchObject({
      'ephemeral-storage': '10Mi',
    });
  });

  test.each([
    ['of disk', { limits: { disk: { value: 1 } } }, /'disk' cannot be limited/],
    ['below the request', { limits: { mem: { value: 16 } } }, /limits\.mem: 16 is less/],
    [
      'without a request',
      { ...scalars({ mem: 1 }), limits: { cpus: { value: 1 } } },
      /limits\.cpus: needs 'cpus'/,
    ],
  ])('a limit %s is refused', (_name, more, message) => {
    expect(refusalOf(more)).toMatch(message);
  });
});

describe('URIs', () => {
  const uris = (...list: readonly object[]): object => ({ command: { value: 'x', uris: list } });

  test('an init container fetches them into the sandbox', () => {
    const pod = translatedPod(
      uris(
        { value: 'https://files.test/a/app.tar.gz?x=1' },
        { value: 'http://files.test/tool', executable: true, output_file: 'bin/tool' },
        { value: 'http://files.test/data.zip', extract: false, cache: true },
      ),
    );
    const [init] = pod.spec.initContainers ?? [];
    expect(init).toMatchObject({
      name: 'fetch',
      image: 'mezzo:1',
      command: ['node', '/app/fetcher.mjs'],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      volumeMounts: [{ name: 'sandbox', mountPath: '/mnt/mesos/sandbox' }],
    });
    expect(JSON.parse(init?.env?.[0]?.value ?? '')).toEqual({
      sandbox: '/mnt/mesos/sandbox',
      maxBytes: 1_000_000,
      items: [
        {
          url: 'https://files.test/a/app.tar.gz?x=1',
          output: 'app.tar.gz',
          extract: true,
          executable: false,
        },
        {
          url: 'http://files.test/tool',
          output: 'bin/tool',
          extract: false,
          executable: true,
        },
        {
          url: 'http://files.test/data.zip',
          output: 'data.zip',
          extract: false,
          executable: false,
        },
      ],
    });
  });

  test.each([
    ['a file of the host', { value: 'file:///etc/passwd' }, /uris\[0\]\.value: 'file:'/],
    ['a path of the host', { value: '/etc/passwd' }, /files and paths of the agent's host/],
    ['hdfs', { value: 'hdfs://a/b' }, /'hdfs:' is not fetched/],
    ['a name outside', { value: 'http://a/b', output_file: '../x' }, /output_file/],
    ['an absolute name', { value: 'http://a/b', output_file: '/x' }, /output_file/],
    ['a hidden way up', { value: 'http://a/b', output_file: 'a/../../x' }, /output_file/],
    ['no name at all', { value: 'http://a/' }, /output_file/],
    ['a path encoded in the name', { value: 'http://a/..%2fx' }, /output_file/],
    ['xz', { value: 'http://a/b.tar.xz' }, /bzip2 and xz/],
  ])('%s is refused', (_name, uri, message) => {
    expect(refusalOf(uris(uri))).toMatch(message);
  });

  test('hosts that are not allowed, and any without a fetcher, are refused', () => {
    const fetcher = { image: 'mezzo:1', maxBytes: 1, allowedHosts: ['files.test'] };
    const bounded = { ...POD_CONTEXT, fetcher };
    expect(refusalOf(uris({ value: 'http://files.test/a' }), bounded)).toBe('accepted');
    expect(refusalOf(uris({ value: 'http://evil.test/a' }), bounded)).toMatch(/'evil\.test'/);
    const { fetcher: _none, ...without } = POD_CONTEXT;
    expect(refusalOf(uris({ value: 'http://files.test/a' }), without)).toMatch(/not configured/);
  });
});

describe('volumes', () => {
  const volumes = (...list: readonly object[]): object => ({
    container: { type: 'MESOS', volumes: list },
  });

  test('folders of the sandbox and entries of Secrets', () => {
    const pod = translatedPod(
      volumes(
        {
          mode: 'RW',
          container_path: '/data',
          source: { type: 'SANDBOX_PATH', sandbox_path: { type: 'SELF', path: 'data' } },
        },
        { mode: 'RO', container_path: '/old', host_path: 'kept' },
        {
          mode: 'RO',
          container_path: 'key.pem',
          source: {
            type: 'SECRET',
            secret: { type: 'REFERENCE', reference: { name: 'tls', key: 'key' } },
          },
        },
      ),
    );
    expect(pod.spec.volumes).toEqual([
      { name: 'sandbox', emptyDir: {} },
      {
        name: 'sandbox-2',
        secret: { secretName: 'tls', items: [{ key: 'key', path: 'value' }] },
      },
    ]);
    expect(pod.spec.containers[0]?.volumeMounts).toEqual([
      { name: 'sandbox', mountPath: '/mnt/mesos/sandbox' },
      { name: 'sandbox', subPath: 'data', mountPath: '/data' },
      { name: 'sandbox', subPath: 'kept', mountPath: '/old', readOnly: true },
      {
        name: 'sandbox-2',
        subPath: 'value',
        readOnly: true,
        mountPath: '/mnt/mesos/sandbox/key.pem',
      },
    ]);
  });

  const at = (more: object): object => ({ mode: 'RW', container_path: '/data', ...more });
  test.each([
    ['nothing to mount', at({}), /volumes\[0\]: exactly one of/],
    ['two things', at({ host_path: 'a', image: {} }), /exactly one of/],
    ['an image', at({ image: {} }), /volumes\[0\]\.image/],
    ['both paths relative', { container_path: 'a', host_path: 'b' }, /both relative/],
    ['a way out of the sandbox', at({ host_path: '../x' }), /host_path/],
    [
      'a folder of the group outside of one',
      at({ source: { type: 'SANDBOX_PATH', sandbox_path: { type: 'PARENT', path: 'a' } } }),
      /sandbox_path\.type/,
    ],
    ['a source without a type', at({ source: {} }), /source\.type/],
    ['a Docker volume', at({ source: { type: 'DOCKER_VOLUME' } }), /docker_volume/],
    ['a CSI volume', at({ source: { type: 'CSI_VOLUME' } }), /csi_volume/],
    ['the root', { container_path: '/', host_path: 'a' }, /container_path/],
    ['the sandbox', { container_path: '/mnt/mesos/sandbox', host_path: 'a' }, /container_path/],
    ['a way up', { container_path: '/a/../etc', host_path: 'a' }, /container_path/],
  ])('%s is refused', (_name, volume, message) => {
    expect(refusalOf(volumes(volume))).toMatch(message);
  });

  test('two volumes at one place are refused', () => {
    const twice = at({ host_path: 'a' });
    expect(refusalOf(volumes(twice, twice))).toMatch(/volumes\[1\]\.container_path/);
  });
});
