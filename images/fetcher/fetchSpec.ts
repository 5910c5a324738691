import { z } from 'zod';

/** What the operator asks of the fetcher, as JSON in `MEZZO_FETCH`. Written by the operator, see `uris.ts` there. */
const FetchSpec = z.object({
  sandbox: z.string().startsWith('/'),
  /** Most bytes to write, downloads and unpacked files together. */
  maxBytes: z.int().positive(),
  /** Hosts that files may come from, redirections included; absent: any. */
  allowedHosts: z.array(z.string()).optional(),
  items: z.array(
    z.object({
      url: z.url(),
      output: z.string(),
      extract: z.boolean(),
      executable: z.boolean(),
    }),
  ),
});
export type FetchSpec = z.infer<typeof FetchSpec>;
export type FetchItem = FetchSpec['items'][number];

export function parseFetchSpec(text: string | undefined): FetchSpec {
  if (text === undefined) throw new Error('MEZZO_FETCH is not set; the operator sets it');
  return FetchSpec.parse(JSON.parse(text));
}
