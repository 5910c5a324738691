import type { KubeObject, ResourceRef } from '../ports/kubeApi.ts';
import { kindEntryOf, type SchemaFault, schemaFaultOf } from '../schema/schemaFault.ts';

/** An object that was stored under another schema than this operator's, or edited past it. */
export class UnreadableObject extends Error {
  readonly fault: SchemaFault;

  constructor(fault: SchemaFault) {
    super(fault.message);
    this.name = 'UnreadableObject';
    this.fault = fault;
  }
}

/**
 * Lets objects of Mezzo's kinds into the cache only as their types promise. Objects pass as they are, not copied.
 * Errors: throws `UnreadableObject`.
 */
export function readObject(ref: ResourceRef): (raw: KubeObject) => KubeObject {
  const entry = kindEntryOf(ref);
  return (raw) => {
    const fault = entry === undefined ? undefined : schemaFaultOf(entry, raw);
    if (fault !== undefined) throw new UnreadableObject(fault);
    return raw;
  };
}

type Substitute = (raw: KubeObject, error: unknown) => KubeObject | undefined;

const isBadSpec = (error: unknown): boolean =>
  !(error instanceof UnreadableObject) || error.fault.part === 'spec';

/**
 * What stands in for an object that cannot be read, where leaving it out would permit what it forbids. Kinds that are not
 * here are left out: nothing new is started for them, and what runs is left alone.
 */
const SUBSTITUTES: { readonly [plural: string]: Substitute } = {
  /** A limit nobody can read is not "no limit": its role gets nothing new. */
  quotas: (raw, error) => {
    const { spec } = raw as { spec?: { role?: unknown } };
    if (typeof spec?.role !== 'string') return undefined;
    const limits = isBadSpec(error) ? { cpus: '0', mem: '0' } : undefined;
    return withParts(raw, limits === undefined ? spec : { role: spec.role, limits });
  },
  /** Its freeze may be among what cannot be read. A report that cannot be read lends nothing, and hurts nobody else. */
  agents: (raw, error) =>
    withParts(raw, isBadSpec(error) ? { freeze: true } : (raw as { spec?: object }).spec),
};

function withParts(raw: KubeObject, spec: object | undefined): KubeObject {
  const { status: _status, ...rest } = raw as KubeObject & { status?: unknown };
  return { ...rest, spec } as KubeObject;
}

/** See `SUBSTITUTES`; undefined when the object is to be left out. */
export function substituteFor(
  ref: ResourceRef,
): (raw: KubeObject, error: unknown) => KubeObject | undefined {
  return (raw, error) => SUBSTITUTES[ref.plural]?.(raw, error);
}
