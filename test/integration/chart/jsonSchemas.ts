import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Schema {
  readonly [keyword: string]: unknown;
}

interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface OpenApi {
  readonly definitions: Readonly<Record<string, Schema>>;
}

/** Where kubeconform finds a kind in the folder written by `writeJsonSchemas`. */
export const SCHEMA_LOCATION = '{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json';

const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';

/**
 * Writes what the API server publishes at `/openapi/v2` as strict JSON schemas, one file per kind, CRDs included.
 * kubeconform's own schemas come from the network and know nothing of Mezzo's kinds.
 */
export async function writeJsonSchemas(openApi: OpenApi, folder: string): Promise<number> {
  const definitions = Object.fromEntries(
    Object.entries(openApi.definitions).map(([name, schema]) => [name, strict(name, schema)]),
  );
  await mkdir(folder, { recursive: true });
  const shared = join(folder, 'definitions.json');
  await writeFile(shared, JSON.stringify({ definitions }));
  let written = 0;
  for (const [name, schema] of Object.entries(openApi.definitions)) {
    const kinds = (schema['x-kubernetes-group-version-kind'] ?? []) as readonly GroupVersionKind[];
    // Lists and options bear many kinds and are no manifests.
    const [only] = kinds;
    if (only === undefined || kinds.length > 1) continue;
    // kubeconform takes what stands before the slash of apiVersion, so the core group is `v1`.
    const group = join(folder, only.group === '' ? only.version : only.group);
    const path = join(group, `${only.kind.toLowerCase()}_${only.version}.json`);
    await mkdir(group, { recursive: true });
    await writeFile(path, JSON.stringify({ $ref: `file://${shared}#/definitions/${name}` }));
    written++;
  }
  return written;
}

function strict(name: string, schema: Schema): Schema {
  if (name === QUANTITY) return { type: ['string', 'number'] };
  if (schema['format'] === 'int-or-string' || schema['x-kubernetes-int-or-string'] === true)
    return { type: ['string', 'integer'] };
  const inner = Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => [keyword, strictValue(keyword, value)]),
  );
  const closed =
    schema['properties'] !== undefined &&
    schema['additionalProperties'] === undefined &&
    schema['x-kubernetes-preserve-unknown-fields'] !== true &&
    // Raw JSON-schema fields of a CRD; the API server judges those.
    !name.includes('JSONSchemaProps');
  return closed ? { ...inner, additionalProperties: false } : inner;
}

function strictValue(keyword: string, value: unknown): unknown {
  if (keyword === '$ref') return value;
  if (keyword === 'properties')
    return Object.fromEntries(
      Object.entries(value as Record<string, Schema>).map(([field, inner]) => [
        field,
        strict('', inner),
      ]),
    );
  if (keyword === 'items' || (keyword === 'additionalProperties' && typeof value === 'object'))
    return strict('', value as Schema);
  return value;
}
