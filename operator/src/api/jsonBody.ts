import type { IncomingMessage } from 'node:http';
import { ok, type Result, refuse } from '../model/result.ts';

/** Deeper JSON is refused before it is parsed: recursive readers of it would overflow their stack. */
export const MAX_JSON_DEPTH = 64;

export interface BodyFault {
  readonly status: 400 | 413 | 415;
  readonly message: string;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Brackets a body may hold: a few bytes each would otherwise become millions of objects. */
const MAX_JSON_BRACKETS = 400_000;

/**
 * True when no bracket in `bytes` is nested deeper than `limit` and there are not too many of them. Assumes nothing
 * about the rest being JSON.
 */
export function isShallow(bytes: Uint8Array, limit = MAX_JSON_DEPTH): boolean {
  let depth = 0;
  let brackets = 0;
  let inText = false;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (inText) {
      if (byte === BACKSLASH) index += 1;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      brackets += 1;
      if (depth > limit || brackets > MAX_JSON_BRACKETS) return false;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return true;
}

/** Reads a whole request body, at most `limitBytes` of it. Compressed bodies are refused: they hide their size. */
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
): Promise<Result<Buffer, BodyFault>> {
  return new Promise((resolve) => collectBody(request, limitBytes, resolve));
}

function collectBody(
  request: IncomingMessage,
  limitBytes: number,
  settle: (body: Result<Buffer, BodyFault>) => void,
): void {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    const message = `Content-Encoding '${encoding.slice(0, 32)}' is not accepted`;
    settle(refuse({ status: 415, message }));
    return;
  }
  const tooLarge: BodyFault = {
    status: 413,
    message: `The body is larger than ${limitBytes} bytes`,
  };
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) {
    settle(refuse(tooLarge));
    return;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limitBytes) chunks.push(chunk);
    else {
      chunks.length = 0;
      settle(refuse(tooLarge));
    }
  });
  request.on('end', () =>
    settle(ok(chunks.length === 1 ? (chunks[0] ?? NOTHING) : Buffer.concat(chunks))),
  );
  const onBroken = (): void =>
    settle(refuse({ status: 400, message: 'The connection broke before the body was complete' }));
  request.on('error', onBroken);
  request.on('close', onBroken);
}

const NOTHING = Buffer.alloc(0);

/** Parses JSON of bounded depth. */
export function parseJson(bytes: Buffer): Result<unknown, BodyFault> {
  if (!isShallow(bytes))
    return refuse({
      status: 400,
      message: `The JSON is nested deeper than ${MAX_JSON_DEPTH} levels or has more than ${MAX_JSON_BRACKETS} brackets`,
    });
  try {
    return ok(JSON.parse(bytes.toString('utf8')) as unknown);
  } catch {
    return refuse({ status: 400, message: 'The body is not JSON' });
  }
}
