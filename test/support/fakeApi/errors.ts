import { KubeApiError, type KubeErrorCode } from '../../../operator/src/ports/kubeApi.ts';

const HTTP_STATUS = {
  badRequest: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  alreadyExists: 409,
  conflict: 409,
  gone: 410,
  invalid: 422,
  tooManyRequests: 429,
  unavailable: 503,
  unknownOutcome: 0,
} as const satisfies Record<KubeErrorCode, number>;

/** The error a real API server's answer would become at the port. */
export function kubeError(
  code: KubeErrorCode,
  message: string,
  details: { retryAfterMs?: number; cause?: unknown } = {},
): KubeApiError {
  return new KubeApiError(code, message, { status: HTTP_STATUS[code], ...details });
}
