import type { OwnerReference } from '../../ports/kubeApi.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { type FolderWork, folderPodName, VOLUME_LABEL } from './volumeNames.ts';

/** Where volumes are on agents, and what looks after their folders. */
export interface VolumeConfig {
  /** Folder on every agent that holds one folder per volume; absolute. */
  readonly root: string;
  /** Image with a shell, mkdir, chmod and rm. */
  readonly image: string;
  /** The operator's own, which allows Pods with host paths. */
  readonly namespace: string;
}

const MOUNTED = '/volumes';

/**
 * Tasks of any user write in the folder; what is above it is closed to everybody else of the node. The name of the volume
 * comes as an argument and is never part of the script.
 */
const SCRIPTS = {
  make: `chmod 0700 ${MOUNTED} && mkdir -p "${MOUNTED}/$1" && chmod 0777 "${MOUNTED}/$1"`,
  remove: `rm -rf "${MOUNTED}/$1"`,
} as const satisfies Record<FolderWork, string>;

/**
 * A short Pod on the agent of a volume. It is root, as the folders' owner must be, and sees nothing of the node but the
 * folder of all volumes; it asks for no resources, so that an agent that is full can still be cleaned.
 */
export function folderPod(
  work: FolderWork,
  volume: { readonly name: string; readonly agent: string; readonly owner: OwnerReference },
  { root, image, namespace }: VolumeConfig,
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: folderPodName(volume.name, work),
      namespace,
      labels: { [VOLUME_LABEL]: volume.name },
      ownerReferences: [volume.owner],
    },
    spec: {
      nodeName: volume.agent,
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
      tolerations: [{ operator: 'Exists' }],
      volumes: [{ name: 'volumes', hostPath: { path: root, type: 'DirectoryOrCreate' } }],
      containers: [
        {
          name: work,
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['/bin/sh', '-ec', SCRIPTS[work], 'sh', volume.name],
          volumeMounts: [{ name: 'volumes', mountPath: MOUNTED }],
          securityContext: {
            runAsUser: 0,
            runAsNonRoot: false,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            // Tasks made the files: their folders are not root's.
            capabilities: { drop: ['ALL'], add: ['DAC_OVERRIDE', 'FOWNER'] },
            seccompProfile: { type: 'RuntimeDefault' },
          },
        },
      ],
    },
  };
}
