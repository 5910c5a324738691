import { describe, expect, test } from '@jest/globals';
import {
  dockerImage,
  POD_CONTEXT,
  refusalOf,
  translatedPod,
} from '../../../../../test/support/taskPods.ts';
import type { PodContext } from './podContext.ts';
import { PRIVILEGES, type Privilege } from './privileges.ts';

const holding = (...held: readonly Privilege[]): PodContext => ({
  ...POD_CONTEXT,
  privileges: new Set(held),
});
const parameter = (key: string, value: string): object =>
  dockerImage('x', { parameters: [{ key, value }] });
const hostVolume = { mode: 'RW', container_path: '/host', host_path: '/etc' };
const sourceVolume = {
  mode: 'RW',
  container_path: '/host',
  source: { type: 'HOST_PATH', host_path: { path: '/etc' } },
};

/** Every way to ask for the node, the permission it takes, and the field the refusal names. */
const ASKED: readonly (readonly [string, object, Privilege, string])[] = [
  ['privileged', dockerImage('x', { privileged: true }), 'privileged', 'docker.privileged'],
  ['the host network', dockerImage('x', { network: 'HOST' }), 'host-network', 'docker.network'],
  ['a path of the host', { container: { volumes: [hostVolume] } }, 'host-path', 'volumes[0]'],
  ['a source on the host', { container: { volumes: [sourceVolume] } }, 'host-path', 'volumes[0]'],
  ['cap-add', parameter('cap-add', 'SYS_ADMIN'), 'capabilities', 'parameters[0]'],
  [
    'bounding capabilities',
    { container: { linux_info: { bounding_capabilities: { capabilities: ['NET_ADMIN'] } } } },
    'capabilities',
    'linux_info',
  ],
  [
    'effective capabilities',
    { container: { linux_info: { effective_capabilities: { capabilities: ['NET_RAW'] } } } },
    'capabilities',
    'linux_info',
  ],
];

describe('without the permission', () => {
  test.each(ASKED)('%s is refused, and the refusal says which one is missing', (...row) => {
    const [, more, privilege, field] = row;
    const refusal = refusalOf(more);
    expect(refusal).toContain(`"${privilege}" in namespace "tenants"`);
    expect(refusal).toContain('verb use on taskprivileges.mezzo.dev');
    expect(refusal).toContain(field);
  });

  test.each(ASKED)('%s is refused with every other permission', (_name, more, privilege) => {
    const others = PRIVILEGES.filter((one) => one !== privilege);
    expect(refusalOf(more, holding(...others))).toContain(`"${privilege}"`);
  });

  test.each([
    ['privileged', parameter('privileged', 'true'), '"privileged"'],
    ['a device', parameter('device', '/dev/sda'), '"privileged"'],
    ['no seccomp', parameter('security-opt', 'seccomp=unconfined'), '"privileged"'],
    ['the host’s processes', parameter('pid', 'host'), '"privileged"'],
    ['a bind mount', parameter('volume', '/:/host'), '"host-path"'],
    ['a mount', parameter('mount', 'type=bind,src=/,dst=/host'), '"host-path"'],
    ['the host’s network', parameter('net', 'host'), 'docker.network'],
    ['a flag with dashes', parameter('--privileged', 'true'), 'is not translated'],
  ])('%s as a flag of docker run is refused whoever asks', (_name, more, said) => {
    expect(refusalOf(more, holding(...PRIVILEGES))).toContain(said);
  });

  test.each([
    ['unconfined seccomp', { seccomp: { unconfined: true } }, 'seccomp'],
    ['the processes of its parent', { share_pid_namespace: true }, 'share_pid_namespace'],
    ['the memory of its parent', { ipc_mode: 'SHARE_PARENT' }, 'ipc_mode'],
  ])('%s is refused whoever asks', (_name, linux_info, field) => {
    expect(refusalOf({ container: { linux_info } }, holding(...PRIVILEGES))).toContain(field);
  });
});

describe('no field leads elsewhere', () => {
  const foreign = {
    metadata: { namespace: 'kube-system' },
    namespace: 'kube-system',
    serviceAccountName: 'admin',
    service_account: 'admin',
    labels: {
      labels: [
        { key: 'namespace', value: 'kube-system' },
        { key: 'mezzo.dev/role', value: 'other' },
        { key: 'serviceAccountName', value: 'admin' },
      ],
    },
    command: { value: 'x', user: 'root' },
  };

  test('another namespace or service account cannot be named', () => {
    const pod = translatedPod(foreign);
    expect(pod.metadata.namespace).toBe('tenants');
    expect(pod.spec.serviceAccountName).toBeUndefined();
    expect(pod.spec.automountServiceAccountToken).toBe(false);
    expect(pod.metadata.labels?.['mezzo.dev/role']).toBe('eng.web');
    expect(pod.spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65534 });
  });

  test('the service account is that of the Framework object', () => {
    const context = { ...POD_CONTEXT, podTemplate: { serviceAccountName: 'workers' } };
    expect(translatedPod(foreign, context).spec.serviceAccountName).toBe('workers');
  });

  test('user 0 by number stays the operator’s choice', () => {
    const pod = translatedPod({ command: { value: 'x', user: '0' } });
    expect(pod.spec.containers[0]?.securityContext).not.toHaveProperty('runAsUser');
  });
});

describe('with the permission the Pod asks the API server for exactly that', () => {
  test('privileged', () => {
    const pod = translatedPod(dockerImage('x', { privileged: true }), holding('privileged'));
    expect(pod.spec.containers[0]?.securityContext).toEqual({
      privileged: true,
      allowPrivilegeEscalation: true,
    });
    expect(pod.spec.hostNetwork).toBeUndefined();
  });

  test('the host network', () => {
    const pod = translatedPod(dockerImage('x', { network: 'HOST' }), holding('host-network'));
    expect(pod.spec.hostNetwork).toBe(true);
  });

  test('a path of the host', () => {
    const more = { container: { volumes: [{ ...hostVolume, mode: 'RO' }] } };
    const pod = translatedPod(more, holding('host-path'));
    expect(pod.spec.volumes).toContainEqual({ name: 'sandbox-0', hostPath: { path: '/etc' } });
    expect(pod.spec.containers[0]?.volumeMounts).toContainEqual({
      name: 'sandbox-0',
      mountPath: '/host',
      readOnly: true,
    });
  });

  test('capabilities, with every other one still dropped', () => {
    const pod = translatedPod(parameter('cap-add', 'NET_ADMIN'), holding('capabilities'));
    expect(pod.spec.containers[0]?.securityContext).toMatchObject({
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      allowPrivilegeEscalation: false,
    });
  });
});
