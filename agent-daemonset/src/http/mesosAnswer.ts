/** A whole reply, before it is sent. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: { readonly [name: string]: string };
}

export const json = (value: unknown): Answer => ({
  status: 200,
  type: 'application/json',
  body: JSON.stringify(value),
});

export const plain = (status: number, message: string): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: message === '' ? '' : `${message}.\n`,
});
