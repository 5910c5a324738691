import { request } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';

export interface Reply {
  readonly status: number;
  readonly body: { readonly [field: string]: unknown };
}

/** What one HTTP call to the API server answers, good or bad: these tests are about the very words of its refusals. */
export class RawApi {
  readonly #kubeConfig: KubeConfig;

  constructor(kubeconfigPath: string) {
    this.#kubeConfig = new KubeConfig();
    this.#kubeConfig.loadFromFile(kubeconfigPath);
  }

  async call(method: string, path: string, body?: unknown): Promise<Reply> {
    const server = this.#kubeConfig.getCurrentCluster()?.server ?? '';
    const options = { method, headers: { 'content-type': 'application/json' } };
    await this.#kubeConfig.applyToHTTPSOptions(options);
    const { status, text } = await new Promise<{ status: number; text: string }>(
      (resolve, reject) => {
        const call = request(new URL(path, server), options, (reply) => {
          const chunks: Buffer[] = [];
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.on('end', () =>
            resolve({
              status: reply.statusCode ?? 0,
              text: Buffer.concat(chunks).toString('utf8'),
            }),
          );
          reply.on('error', reject);
        });
        call.on('error', reject);
        call.end(body === undefined ? undefined : JSON.stringify(body));
      },
    );
    return { status, body: JSON.parse(text) as Reply['body'] };
  }
}
