import { KubeApiError, type KubeErrorCode } from '../../ports/kubeApi.ts';

/** The parts of a `metav1.Status` that decide what went wrong. */
interface StatusBody {
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly retryAfterSeconds: number | undefined;
}

const CODE_OF_REASON: { readonly [reason: string]: KubeErrorCode } = {
  AlreadyExists: 'alreadyExists',
  Conflict: 'conflict',
  Expired: 'gone',
  Forbidden: 'forbidden',
  Gone: 'gone',
  Invalid: 'invalid',
  NotFound: 'notFound',
  TooManyRequests: 'tooManyRequests',
  Unauthorized: 'unauthorized',
};

const CODE_OF_HTTP_STATUS: { readonly [status: number]: KubeErrorCode } = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'notFound',
  409: 'conflict',
  410: 'gone',
  422: 'invalid',
  429: 'tooManyRequests',
};

/** A server error answers nothing about a write but 503, which is given before the request is handled. */
function codeOf(httpStatus: number, reason: string | undefined, isWrite: boolean): KubeErrorCode {
  if (httpStatus >= 500) return isWrite && httpStatus !== 503 ? 'unknownOutcome' : 'unavailable';
  return CODE_OF_REASON[reason ?? ''] ?? CODE_OF_HTTP_STATUS[httpStatus] ?? 'badRequest';
}

function readStatus(body: unknown): StatusBody {
  if (typeof body !== 'object' || body === null) return { retryAfterSeconds: undefined };
  const { reason, message, code, details } = body as { [key: string]: unknown };
  const seconds = (details as { retryAfterSeconds?: unknown } | null | undefined)
    ?.retryAfterSeconds;
  return {
    ...(typeof reason === 'string' && { reason }),
    ...(typeof message === 'string' && { message }),
    ...(typeof code === 'number' && { code }),
    retryAfterSeconds: typeof seconds === 'number' ? seconds : undefined,
  };
}

/** `Retry-After` in seconds; the HTTP-date form is not used by Kubernetes and is read as absent. */
function headerSeconds(retryAfter: string | undefined): number | undefined {
  return retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined;
}

/**
 * The typed error for an answer of the API server other than 2xx.
 * Errors: `bodyText` that is no Status (a proxy's HTML) is quoted, cut to 200 characters.
 */
export function errorOfReply(reply: {
  readonly httpStatus: number;
  readonly bodyText: string;
  readonly retryAfter: string | undefined;
  readonly isWrite: boolean;
  readonly what: string;
}): KubeApiError {
  const status = readStatus(parseOrUndefined(reply.bodyText));
  const seconds = headerSeconds(reply.retryAfter) ?? status.retryAfterSeconds;
  const said = status.message ?? reply.bodyText.slice(0, 200);
  return new KubeApiError(
    codeOf(reply.httpStatus, status.reason, reply.isWrite),
    `${reply.what}: ${reply.httpStatus} ${status.reason ?? ''} ${said}`.replace(/\s+/g, ' ').trim(),
    {
      status: reply.httpStatus,
      ...(seconds !== undefined && { retryAfterMs: seconds * 1000 }),
    },
  );
}

/** The typed error for an ERROR event inside a watch, whose object is a Status. */
export function errorOfWatchStatus(object: unknown, what: string): KubeApiError {
  const status = readStatus(object);
  const httpStatus = status.code ?? 500;
  return new KubeApiError(
    codeOf(httpStatus, status.reason, false),
    `${what}: ${httpStatus} ${status.reason ?? ''} ${status.message ?? ''}`.trim(),
    {
      status: httpStatus,
      ...(status.retryAfterSeconds !== undefined && {
        retryAfterMs: status.retryAfterSeconds * 1000,
      }),
    },
  );
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
