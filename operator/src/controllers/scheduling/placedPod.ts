import type { AgentId } from '../../model/ids.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { isEmpty, min, type Resources } from '../../model/resources.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { formatResources } from '../../schema/quantity.ts';
import type { LaunchRequest } from './types.ts';

/** The Pod of a launch with its node, and the part of it that the reservations in its offers pay for. */
export function placedPod(
  launch: LaunchRequest,
  agent: AgentId,
  reservedLeft: Resources,
): { readonly pod: Pod; readonly reserved: Resources } {
  const reserved = min(launch.resources, reservedLeft);
  const annotations = {
    ...launch.pod.metadata.annotations,
    ...(isEmpty(reserved)
      ? {}
      : { [ANNOTATION.reserved]: JSON.stringify(formatResources(reserved)) }),
  };
  return {
    reserved,
    pod: {
      ...launch.pod,
      metadata: { ...launch.pod.metadata, annotations },
      spec: { ...launch.pod.spec, nodeName: agent },
    },
  };
}
