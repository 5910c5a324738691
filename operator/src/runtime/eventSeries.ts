import type { ResourceRef } from '../ports/kubeApi.ts';
import { microTime } from './timestamps.ts';

/** The object an event is about. */
export interface EventSubject {
  readonly ref: Pick<ResourceRef, 'group' | 'version' | 'kind'>;
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
}

export interface EventInput {
  readonly regarding: EventSubject;
  readonly related?: EventSubject;
  readonly type: 'Normal' | 'Warning';
  /** CamelCase and specific: `TaskPreempted`, not `Stopped`. */
  readonly reason: string;
  /** What was being done, CamelCase: `Preempt`. */
  readonly action: string;
  /** Cut to 1,024 characters, the server's limit. */
  readonly note: string;
}

const LONGEST_NOTE_CHARS = 1_024;
const LONGEST_NAME_CHARS = 253;
/** The namespace of events about cluster-scoped objects, as the API server demands. */
const CLUSTER_EVENTS_NAMESPACE = 'default';

export const namespaceOfEvent = (input: EventInput): string =>
  input.regarding.namespace ?? CLUSTER_EVENTS_NAMESPACE;

/** Events that differ in nothing a reader would see belong to one series. */
export const seriesKey = ({ regarding, related, type, reason, action, note }: EventInput): string =>
  JSON.stringify([
    [regarding.ref.kind, regarding.namespace, regarding.name, regarding.uid],
    [related?.ref.kind, related?.namespace, related?.name],
    type,
    reason,
    action,
    note,
  ]);

/** The subject's name, so that `kubectl get events` sorts by it, and something unique. */
export function eventName(subjectName: string, unique: string): string {
  const room = LONGEST_NAME_CHARS - unique.length - 1;
  return `${subjectName.slice(0, room).replace(/[^a-z0-9]+$/, '')}.${unique}`;
}

/** The body of a new event. Source: Kubernetes API reference, `events.k8s.io/v1` Event. */
export function eventObject(
  input: EventInput,
  by: { readonly controller: string; readonly instance: string },
  name: string,
  nowMs: number,
): { readonly metadata: { readonly name: string; readonly namespace: string } } & {
  readonly [field: string]: unknown;
} {
  return {
    metadata: { name, namespace: namespaceOfEvent(input) },
    eventTime: microTime(nowMs),
    reportingController: by.controller,
    reportingInstance: by.instance,
    action: input.action,
    reason: input.reason,
    type: input.type,
    note: cut(input.note),
    regarding: reference(input.regarding),
    ...(input.related !== undefined && { related: reference(input.related) }),
  };
}

/** The patch that tells how often the event has happened by now. */
export const seriesPatch = (count: number, lastMs: number): unknown => ({
  series: { count, lastObservedTime: microTime(lastMs) },
});

const cut = (note: string): string =>
  note.length <= LONGEST_NOTE_CHARS ? note : `${note.slice(0, LONGEST_NOTE_CHARS - 1)}…`;

function reference({ ref, name, namespace, uid }: EventSubject): unknown {
  return {
    apiVersion: ref.group === '' ? ref.version : `${ref.group}/${ref.version}`,
    kind: ref.kind,
    name,
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
  };
}
