import { shortHash } from '../../model/hash.ts';
import { refuse } from '../../model/result.ts';
import type { KubeObject, ResourceRef } from '../../ports/kubeApi.ts';
import type { CallRefusal, PlannedWrite } from './types.ts';

/** A refusal of a call, with the status that says so. */
export const refuseAs = (
  kind: CallRefusal['kind'],
  message: string,
): { readonly ok: false; readonly refusal: CallRefusal } => refuse({ kind, message });

const PLAIN_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Name of an object made for something of any name: that name where it can be one, else a readable part and a hash. */
export function objectNameFor(text: string): string {
  if (PLAIN_NAME.test(text)) return text;
  const slug = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return `${slug === '' ? 'x' : slug}-${shortHash(text, 10)}`;
}

export function creation(
  ref: ResourceRef,
  name: string,
  spec: object,
  labels?: { readonly [key: string]: string },
): PlannedWrite {
  const object: KubeObject & { readonly spec: object } = {
    apiVersion: `${ref.group}/${ref.version}`,
    kind: ref.kind,
    metadata: { name, ...(labels === undefined ? {} : { labels }) },
    spec,
  };
  return { verb: 'create', ref, object };
}
