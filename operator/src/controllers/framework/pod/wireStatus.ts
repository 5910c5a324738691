import type { Pod } from '../../../schema/kubeObjects.ts';
import { uuidToBase64 } from '../../../schema/mesos/call.ts';
import type { WireTaskStatus } from '../../../schema/mesos/event.ts';
import { statusOf } from './containerFacts.ts';
import { stateFor } from './endings.ts';
import type { Pending, TaskRecord } from './taskRecord.ts';

/** An update as it goes over the wire. */
export function wireStatus(
  record: TaskRecord,
  { update, uuid }: Pending,
  partitionAware: boolean,
  nowMs: number,
): WireTaskStatus {
  const container = containerStatus(record.pod, record.container);
  return {
    task_id: { value: record.task },
    state: stateFor(update.state, partitionAware),
    source: update.source,
    ...(update.reason === undefined ? {} : { reason: update.reason }),
    ...(update.message === '' ? {} : { message: update.message }),
    agent_id: { value: record.agent },
    executor_id: { value: record.task },
    timestamp: (update.atMs ?? nowMs) / 1000,
    uuid: uuidToBase64(uuid),
    ...(update.healthy === undefined ? {} : { healthy: update.healthy }),
    ...(update.checkStatus === undefined ? {} : { check_status: update.checkStatus }),
    ...(update.limitation === undefined ? {} : { limitation: update.limitation }),
    ...(container === undefined ? {} : { container_status: container }),
  };
}

export function containerStatus(pod: Pod, container: string): WireTaskStatus['container_status'] {
  const ip = pod.status?.podIP;
  const id = statusOf(pod, container)?.containerID?.replace(/^[a-z-]+:\/\//, '');
  if (ip === undefined && (id === undefined || id === '')) return undefined;
  const protocol = ip?.includes(':') === true ? 'IPv6' : 'IPv4';
  return {
    ...(id === undefined || id === '' ? {} : { container_id: { value: id } }),
    network_infos: ip === undefined ? [] : [{ ip_addresses: [{ protocol, ip_address: ip }] }],
  };
}
