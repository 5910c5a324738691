import { describe, expect, test } from '@jest/globals';
import type { KubeObject, WatchEvent } from '../../ports/kubeApi.ts';
import { CONFIG_MAPS, PODS } from '../../schema/kubeKinds.ts';
import { parseObject } from './objects.ts';
import { WatchStream } from './watchStream.ts';

/** As kube-apiserver writes them: Go structs in their order, maps sorted. */
const metadata = (fields: string, more = ''): string =>
  `{"name":"p","namespace":"a","uid":"u-1","resourceVersion":"7","annotations":{"k":"v"}${more},"managedFields":[${fields}]}`;
const pod = (fields: string, more = ''): string =>
  `{"kind":"Pod","apiVersion":"v1","metadata":${metadata(fields, more)},"spec":{"nodeName":"n","volumes":[{"name":"x"}]},"status":{"phase":"Pending"}}`;
const plainFields =
  '{"manager":"mezzo","operation":"Update","fieldsV1":{"f:metadata":{"f:finalizers":{".":{},"v:\\"x\\"":{}}}}},{"manager":"kubelet","subresource":"status"}';

const withoutFields = (text: string): unknown => {
  const object = JSON.parse(text) as { metadata: { managedFields?: unknown } };
  delete object.metadata.managedFields;
  return object;
};

describe('parseObject', () => {
  test.each<[string, string]>([
    ['plain ones', pod(plainFields)],
    [
      'names that look like the end of them',
      pod('{"manager":"}]},\\"spec\\":"},{"manager":"}]},"}'),
    ],
    [
      'an annotation that looks like them',
      pod(plainFields, ',"labels":{"l":",\\"managedFields\\":["}'),
    ],
    [
      'an annotation of spec and all',
      pod('{"manager":"m"}', ',"labels":{"l":"}]},\\"spec\\":{}"}'),
    ],
  ])('leaves the managedFields of a Pod unread: %s', (_what, text) => {
    expect(parseObject(PODS, text)).toEqual(withoutFields(text));
  });

  test.each<[string, string]>([
    ['without any', '{"metadata":{"name":"p"},"spec":{}}'],
    ['whose metadata come last', `{"metadata":${metadata(plainFields)}}`],
    ['with an empty list', pod('')],
  ])('reads all of a Pod %s', (_what, text) => {
    expect(parseObject(PODS, text)).toEqual(JSON.parse(text));
  });

  test('reads all of other kinds, whose keys may come in any order', () => {
    const text = `{"metadata":{"managedFields":[${plainFields}],"name":"c"},"data":[{"a":[{}]}],"spec":{}}`;
    expect(parseObject(CONFIG_MAPS, text)).toEqual(JSON.parse(text));
  });
});

describe('WatchStream', () => {
  const asked: string[] = [];
  const told = (lines: readonly string[], isHeld?: boolean): string[] => {
    asked.length = 0;
    const events: WatchEvent<KubeObject>[] = [];
    const holds = ({ namespace, name }: { namespace?: string; name: string }, ...of: string[]) => {
      asked.push([namespace, name, ...of].join(' '));
      return isHeld === true;
    };
    const given = isHeld === undefined ? undefined : holds;
    const stream = new WatchStream('watch', PODS, given, (event) => events.push(event));
    for (const line of lines) stream.push(Buffer.from(`${line}\n`));
    return events.map((event) =>
      event.kind === 'bookmark'
        ? `bookmark ${event.resourceVersion}`
        : `${event.kind} ${event.object.metadata.resourceVersion}`,
    );
  };
  const event = (type: string, object = pod(plainFields)): string =>
    `{"type":"${type}","object":${object}}`;

  test('tells of a version that is held by a bookmark, of any other by the object', () => {
    expect(told([event('ADDED'), event('MODIFIED')], true)).toEqual(['bookmark 7', 'bookmark 7']);
    expect(asked).toEqual(['a p u-1 7', 'a p u-1 7']);
    expect(told([event('ADDED'), event('MODIFIED')], false)).toEqual(['added 7', 'modified 7']);
    expect(told([event('ADDED')])).toEqual(['added 7']);
  });

  test('never leaves out a deletion', () => {
    expect(told([event('DELETED')], true)).toEqual(['deleted 7']);
    expect(asked).toEqual([]);
  });

  test('asks only where the version stands where the server writes it', () => {
    const sorted =
      '{"apiVersion":"mezzo.dev/v1alpha1","kind":"Role","metadata":{"name":"p","resourceVersion":"7","uid":"u-1"}}';
    expect(told([event('ADDED', sorted)], true)).toEqual(['added 7']);
    expect(asked).toEqual([]);
  });
});
