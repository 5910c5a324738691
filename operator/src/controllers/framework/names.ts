import { hash } from 'node:crypto';
import type { FrameworkId, TaskId } from '../../model/ids.ts';

/**
 * Names of Kubernetes objects for Mesos ids. Ids may hold upper case, `_`, `.`, spaces and 255 characters; names may
 * not. The way back is never by the name: the exact ids are annotations.
 */

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const HASH_LENGTH = 12;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** 60 bits of SHA-256 in lower-case base 32: nobody can choose ids so that their names meet. */
function hashOf(text: string): string {
  const hex = hash('sha256', text, 'hex');
  let letters = '';
  for (let index = 0; index < 2 * HASH_LENGTH; index += 2)
    letters += ALPHABET[Number.parseInt(hex.slice(index, index + 2), 16) % ALPHABET.length] ?? 'a';
  return letters;
}

function slugOf(text: string, maxLength: number): string {
  const slug = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, maxLength)
    .replace(/-+$/, '');
  return slug === '' ? 'x' : slug;
}

/** Name of a task's Pod: readable start of the task id, then a hash of framework id and task id. A DNS label. */
export function taskPodName(framework: FrameworkId, task: TaskId): string {
  return `${slugOf(task, 50)}-${hashOf(`${framework}\u0000${task}`)}`;
}

/** Name of a framework's object and value of its Pods' framework label: the id itself where it is a DNS label. */
export function frameworkObjectName(framework: FrameworkId): string {
  if (DNS_LABEL.test(framework)) return framework;
  return `${slugOf(framework, 50)}-${hashOf(framework)}`;
}

/**
 * The uuid of a status update. It follows from the Pod and the step, so that after a restart of the operator an
 * acknowledgement of an update sent before it still fits.
 */
export function updateUuid(podUid: string, step: string): string {
  const hex = hash('sha256', `${podUid}\u0000${step}`, 'hex');
  // Version 8 and the variant of RFC 9562: the first digits of the third and the fourth group.
  const variant = (8 + (Number.parseInt(hex.charAt(16), 16) & 3)).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
