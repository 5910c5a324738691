import { describe, expect, test } from '@jest/globals';
import { KubeApiError } from '../ports/kubeApi.ts';
import { OperatorError, toOperatorError } from './errors.ts';

describe('toOperatorError', () => {
  test('keeps code, message and Retry-After of an answer of the API server', () => {
    const original = new KubeApiError('tooManyRequests', 'slow down', {
      status: 429,
      retryAfterMs: 2_000,
    });
    const error = toOperatorError(original);
    expect(error).toMatchObject({
      code: 'tooManyRequests',
      message: 'slow down',
      retryAfterMs: 2_000,
      retryable: true,
    });
    expect(error.cause).toBe(original);
  });

  test('passes an OperatorError through unchanged', () => {
    const original = new OperatorError('notLeader', 'lease lost');
    expect(toOperatorError(original)).toBe(original);
  });

  test.each([
    ['an unforeseen error', new TypeError('x is undefined'), 'x is undefined'],
    ['a thrown string', 'boom', 'something that is no Error was thrown: boom'],
  ])('%s is a bug, retried with back-off', (_name, thrown, message) => {
    const error = toOperatorError(thrown);
    expect(error).toMatchObject({ code: 'bug', message, retryable: true });
    expect(error.cause).toBe(thrown);
  });

  test('a refusal by validation, by rights or by leadership is not retryable', () => {
    for (const code of ['invalid', 'forbidden', 'notLeader', 'invalidObject'] as const)
      expect(new OperatorError(code, '').retryable).toBe(false);
  });
});
