import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import type { KubeObject, ResourceRef } from '../../../operator/src/ports/kubeApi.ts';
import { KIND_TABLE } from '../../../operator/src/schema/kindTable.ts';
import type { RawApi, Reply } from './rawApi.ts';

/** One file of `examples/<kind>/<accepted|rejected>/`. */
export interface Example {
  readonly ref: ResourceRef;
  readonly verdict: 'accepted' | 'rejected';
  /** `<kind>/<verdict>/<file>`. */
  readonly name: string;
  /** All but the last are written first; the verdict is about the last. */
  readonly objects: readonly KubeObject[];
  /** Texts the refusal must hold, from the lines `# expect: …`. */
  readonly expected: readonly string[];
}

const FOLDER = join(import.meta.dirname, 'examples');

export function loadExamples(): readonly Example[] {
  return KIND_TABLE.flatMap(({ ref }) =>
    (['accepted', 'rejected'] as const).flatMap((verdict) => {
      const folder = `${ref.kind.toLowerCase()}/${verdict}`;
      return readdirSync(join(FOLDER, folder)).map((file) =>
        loadExample(ref, verdict, `${folder}/${file}`),
      );
    }),
  );
}

function loadExample(ref: ResourceRef, verdict: Example['verdict'], name: string): Example {
  const text = readFileSync(join(FOLDER, name), 'utf8');
  const expected = [...text.matchAll(/^# expect: (.+)$/gm)].map((match) => match[1] ?? '');
  return { ref, verdict, name, objects: loadAll(text) as KubeObject[], expected };
}

/**
 * The API server's answer to the last object of an example, which is not stored.
 * Unknown fields are refused, as kubectl asks for. Objects before the last are stored and removed again.
 */
export async function judge(api: RawApi, example: Example): Promise<Reply> {
  const { ref, objects } = example;
  const collection = collectionPath(ref);
  const last = objects.at(-1);
  if (!last) throw new Error(`${example.name} holds no object`);
  if (objects.length === 1) {
    return api.call('POST', `${collection}?dryRun=All&fieldValidation=Strict`, last);
  }
  const path = `${collection}/${last.metadata.name}`;
  try {
    let stored: KubeObject | undefined;
    for (const object of objects.slice(0, -1)) {
      stored = await store(api, collection, object, stored);
    }
    return await api.call(
      'PUT',
      `${path}?dryRun=All&fieldValidation=Strict`,
      versioned(last, stored),
    );
  } finally {
    await api.call('DELETE', path);
  }
}

/** Path of all objects of a kind, in the namespace `default` where it has one. */
export function collectionPath({ group, version, plural, namespaced }: ResourceRef): string {
  return `/apis/${group}/${version}/${namespaced ? 'namespaces/default/' : ''}${plural}`;
}

async function store(
  api: RawApi,
  collection: string,
  object: KubeObject,
  before: KubeObject | undefined,
): Promise<KubeObject> {
  const reply = before
    ? await api.call('PUT', `${collection}/${object.metadata.name}`, versioned(object, before))
    : await api.call('POST', `${collection}?fieldValidation=Strict`, object);
  if (reply.status >= 300) {
    throw new Error(`a first document was refused: ${JSON.stringify(reply.body)}`);
  }
  return reply.body as unknown as KubeObject;
}

function versioned(object: KubeObject, stored: KubeObject | undefined): KubeObject {
  const resourceVersion = stored?.metadata.resourceVersion;
  return resourceVersion === undefined
    ? object
    : { ...object, metadata: { ...object.metadata, resourceVersion } };
}
