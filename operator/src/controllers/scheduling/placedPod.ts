import type { AgentId } from '../../model/ids.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { isEmpty, type Resources } from '../../model/resources.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { formatResources } from '../../schema/quantity.ts';
import type { LaunchRequest } from './types.ts';

/** The Pod of a launch with its node, and the part of it that the reservations and volumes in its offers pay for. */
export function placedPod(launch: LaunchRequest, agent: AgentId, reserved: Resources): Pod {
  const { volumes = [] } = launch;
  const annotations = {
    ...launch.pod.metadata.annotations,
    ...(isEmpty(reserved)
      ? {}
      : { [ANNOTATION.reserved]: JSON.stringify(formatResources(reserved)) }),
    ...(volumes.length === 0 ? {} : { [ANNOTATION.volumes]: JSON.stringify(volumes) }),
  };
  return {
    ...launch.pod,
    metadata: { ...launch.pod.metadata, annotations },
    spec: { ...launch.pod.spec, nodeName: agent },
  };
}
