import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Result, refuse } from '../model/result.ts';
import { sendError } from './errors.ts';
import { type BodyFault, parseJson, readBody } from './jsonBody.ts';
import { JSON_TYPE, PROTOBUF_TYPE, type WireType, wireTypeOf } from './mediaType.ts';

/** How calls of one endpoint are read: what a refusal names, and a parser for each wire type. */
export interface CallForm<Call> {
  /** As in `Failed to validate <name>: …`. */
  readonly name: string;
  readonly fromJson: (json: unknown) => Result<Call, string>;
  readonly fromProto: (bytes: Buffer) => Result<Call, string>;
}

/**
 * The call in the body; undefined when it was refused, and the refusal sent.
 * Errors: 400 without a content type or with a body that is no call, 415 for another type, 413 beyond `bodyBytes`.
 */
export async function readCall<Call>(
  form: CallForm<Call>,
  bodyBytes: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Call | undefined> {
  const type = request.headers['content-type'];
  if (type === undefined) {
    sendError(response, 400, "Expecting 'Content-Type' to be present");
    return undefined;
  }
  const wireType = wireTypeOf(type);
  if (wireType === undefined) {
    sendError(response, 415, `Expecting 'Content-Type' of '${JSON_TYPE}' or '${PROTOBUF_TYPE}'`);
    return undefined;
  }
  const body = await readBody(request, bodyBytes);
  const call = body.ok ? parsed(form, wireType, body.value) : body;
  if (call.ok) return call.value;
  // The rest of a refused body is not worth reading.
  if (!body.ok) response.setHeader('Connection', 'close');
  sendError(response, call.refusal.status, call.refusal.message);
  return undefined;
}

function parsed<Call>(
  form: CallForm<Call>,
  wireType: WireType,
  bytes: Buffer,
): Result<Call, BodyFault> {
  switch (wireType) {
    case JSON_TYPE: {
      const json = parseJson(bytes);
      return json.ok ? validated(form, form.fromJson(json.value)) : json;
    }
    case PROTOBUF_TYPE:
      return validated(form, form.fromProto(bytes));
  }
}

function validated<Call>(
  form: CallForm<Call>,
  call: Result<Call, string>,
): Result<Call, BodyFault> {
  if (call.ok) return call;
  return refuse({ status: 400, message: `Failed to validate ${form.name}: ${call.refusal}` });
}
