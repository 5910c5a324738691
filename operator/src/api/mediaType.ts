export const JSON_TYPE = 'application/json';
export const PROTOBUF_TYPE = 'application/x-protobuf';
export type WireType = typeof JSON_TYPE | typeof PROTOBUF_TYPE;

/** The exact header values, as Mesos compares them: case counts and no parameter is allowed. */
export function wireTypeOf(contentType: string): WireType | undefined {
  return contentType === JSON_TYPE || contentType === PROTOBUF_TYPE ? contentType : undefined;
}

/** The form a reply takes; JSON when the client takes both, undefined when it takes neither. */
export function replyType(accept: string | undefined): WireType | undefined {
  return [JSON_TYPE, PROTOBUF_TYPE].find((type): type is WireType => accepts(accept, type));
}

/**
 * Whether an `Accept` header takes `type`. No header takes everything; a quality of 0 refuses.
 * Source: RFC 9110 section 12.5.1; the most specific range that matches decides.
 */
export function accepts(header: string | undefined, type: string): boolean {
  if (header === undefined || header.trim() === '') return true;
  const [major = ''] = type.split('/');
  const order = [type, `${major}/*`, '*/*'];
  const qualities = new Map<string, number>();
  for (const range of header.split(',')) {
    const [name = '', ...parameters] = range.split(';').map((one) => one.trim().toLowerCase());
    const quality = parameters.find((one) => one.startsWith('q='))?.slice(2);
    qualities.set(name, quality === undefined ? 1 : Number(quality));
  }
  const match = order.find((range) => qualities.has(range));
  return match !== undefined && (qualities.get(match) ?? 0) > 0;
}
