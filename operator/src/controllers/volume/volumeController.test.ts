import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { silentLog } from '../../../../test/support/frameworkHarness.ts';
import { OperatorWorld, taskPod } from '../../../../test/support/operatorWorld.ts';
import { ANNOTATION } from '../../model/labels.ts';
import type { KubeObject, ResourceRef } from '../../ports/kubeApi.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import { volumeObject } from '../reservation/planVolume.ts';
import { DESTROYED, FOLDER_MADE } from '../reservation/volumeObjects.ts';
import { createVolumeController, type VolumeController } from './volumeController.ts';

let all: OperatorWorld;
let controller: VolumeController;

beforeEach(() => {
  all = new OperatorWorld(new FakeClock());
  all.node('node-1', { cpu: '4', memory: '4Gi', pods: '10' });
  controller = start();
  all.api.create(
    RESERVATIONS,
    volumeObject(
      {
        id: 'data',
        principal: undefined,
        containerPath: 'data',
        shared: false,
        sizeBytes: 16 * 2 ** 20,
        stack: [{ role: 'web' }],
      },
      [{ reservation: 'r', bytes: 16 * 2 ** 20 }],
      { agent: 'node-1', name: 'volume-v' },
    ),
  );
});

const start = (): VolumeController =>
  createVolumeController({
    world: all.world,
    kube: all.kube,
    log: silentLog,
    config: { root: '/data/volumes', image: 'shell:1', namespace: 'mezzo-system' },
  });

const volume = (): ReservationObject | undefined =>
  all.world.reservations.get({ name: 'volume-v' });
const marks = (): readonly string[] => Object.keys(volume()?.metadata.annotations ?? {});
const folderPods = (): readonly Pod[] =>
  all.world.pods.list().filter((pod) => pod.metadata.namespace === 'mezzo-system');
const namesOf = (ref: ResourceRef): readonly string[] =>
  all.api.list(ref, {}).items.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`);
const look = async (times = 1): Promise<void> => {
  for (let index = 0; index < times; index++) await controller.reconcile('volume-v');
};

/** As the kubelet ends a Pod of ours. */
function endPod(phase: 'Succeeded' | 'Failed'): void {
  const [pod] = folderPods();
  if (pod === undefined) throw new Error('there is no Pod');
  const ended = { ...pod, status: { phase } } as KubeObject;
  all.api.update(PODS, ended, { subresource: 'status' });
}

function usedBy(namespace: string, status?: Pod['status']): Pod {
  const job = `in-${namespace}`;
  const shape = { job, annotations: { [ANNOTATION.volumes]: '["volume-v"]' } };
  const pod = taskPod(status === undefined ? shape : { ...shape, status });
  return all.pod({ ...pod, metadata: { ...pod.metadata, namespace, finalizers: [] } });
}

async function made(): Promise<void> {
  await look();
  endPod('Succeeded');
  await look(2);
}

describe('a volume', () => {
  test('gets its folder once, by a Pod that sees nothing else of the node', async () => {
    await look(2);
    expect(folderPods()).toMatchObject([
      {
        metadata: { name: 'mezzo-volume-v-make', labels: { 'mezzo.dev/volume': 'volume-v' } },
        spec: {
          nodeName: 'node-1',
          volumes: [{ hostPath: { path: '/data/volumes', type: 'DirectoryOrCreate' } }],
          containers: [{ command: ['/bin/sh', '-ec', expect.any(String), 'sh', 'volume-v'] }],
        },
      },
    ]);
    expect(marks()).not.toContain(FOLDER_MADE);
    endPod('Succeeded');
    await look(2);
    expect(marks()).toContain(FOLDER_MADE);
    expect(folderPods()).toEqual([]);
    await look(2);
    expect(folderPods()).toEqual([]);
  });

  test('whose Pod fails gets another', async () => {
    await look();
    const first = folderPods()[0]?.metadata.uid;
    endPod('Failed');
    await look(2);
    expect(folderPods()).toHaveLength(1);
    expect(folderPods()[0]?.metadata.uid).not.toBe(first);
    expect(marks()).not.toContain(FOLDER_MADE);
  });

  test('is claimed in each namespace it is used in, and a restart makes nothing twice', async () => {
    await made();
    expect(namesOf(PERSISTENT_VOLUME_CLAIMS)).toEqual([]);
    usedBy('apps');
    usedBy('other');
    await look();
    controller = start();
    await look();
    expect(namesOf(PERSISTENT_VOLUME_CLAIMS)).toEqual([
      'apps/mezzo-volume-v',
      'other/mezzo-volume-v',
    ]);
    const [persistent] = all.api.list(PERSISTENT_VOLUMES, {}).items;
    expect(persistent).toMatchObject({
      spec: {
        local: { path: '/data/volumes/volume-v' },
        claimRef: { namespace: expect.any(String), name: 'mezzo-volume-v' },
        persistentVolumeReclaimPolicy: 'Retain',
      },
    });
  });
});

describe('its end', () => {
  const destroy = (): void => {
    const annotations = { [DESTROYED]: 'true' };
    all.api.patch(RESERVATIONS, { name: 'volume-v' }, 'merge', { metadata: { annotations } });
  };

  test('removes claims, then the data, then the object', async () => {
    await made();
    usedBy('apps', { phase: 'Succeeded' });
    const running = usedBy('other', { phase: 'Running' });
    await look();
    all.api.delete(PODS, running.metadata, {
      gracePeriodSeconds: 0,
    });
    destroy();
    await look();
    expect(folderPods()).toEqual([]);
    await look();
    expect([...namesOf(PERSISTENT_VOLUMES), ...namesOf(PERSISTENT_VOLUME_CLAIMS)]).toEqual([]);
    expect(folderPods().map((pod) => pod.metadata.name)).toEqual(['mezzo-volume-v-remove']);
    expect(volume()).toBeDefined();
    controller = start();
    endPod('Succeeded');
    await look();
    expect(volume()).toBeUndefined();
    expect(folderPods()).toEqual([]);
  });

  test('leaves the data of an agent that is gone', async () => {
    await made();
    all.api.delete(
      { ...PODS, plural: 'nodes', kind: 'Node', namespaced: false },
      { name: 'node-1' },
    );
    destroy();
    await look(3);
    expect(volume()).toBeUndefined();
  });

  test('by kubectl waits for the task that holds it', async () => {
    await made();
    const pod = usedBy('apps', { phase: 'Running' });
    all.api.delete(RESERVATIONS, { name: 'volume-v' }, {});
    await look(2);
    expect(marks()).not.toContain(DESTROYED);
    all.api.update(PODS, { ...pod, status: { phase: 'Succeeded' } } as KubeObject, {
      subresource: 'status',
    });
    await look();
    expect(marks()).toContain(DESTROYED);
  });
});
