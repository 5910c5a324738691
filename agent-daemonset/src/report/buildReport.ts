import {
  type AgentReport,
  MAX_REPORTED_PODS,
} from '../../../operator/src/schema/http/agentReport.ts';
import type { UsageSample } from '../usage/usageSample.ts';

/**
 * The report of one sample; undefined while the node's own usage or its Pods are unknown.
 * Guarantees: valid for the `AgentReport` schema; a Pod with an unknown figure is left out.
 */
export function buildReport(node: string, sample: UsageSample): AgentReport | undefined {
  const { cpuMillis, memoryBytes } = sample.node;
  if (cpuMillis === undefined || memoryBytes === undefined) return undefined;
  if (sample.pods.kind !== 'read') return undefined;
  const pods = sample.pods.pods.flatMap((pod) =>
    pod.cpuMillis === undefined || pod.memoryBytes === undefined
      ? []
      : [{ uid: pod.uid, cpuMillis: pod.cpuMillis, memoryBytes: pod.memoryBytes }],
  );
  return {
    node,
    atMs: sample.atMs,
    nodeUsage: { cpuMillis, memoryBytes },
    pods: pods.slice(0, MAX_REPORTED_PODS),
  };
}
