import type { KeyAndCertificate } from './pki/certificate.ts';

export interface KubeconfigInput {
  readonly url: string;
  readonly authority: string;
  readonly user: string;
  readonly credentials: KeyAndCertificate;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Text of a kubeconfig with everything embedded (JSON, which is YAML too). */
export function kubeconfig({ url, authority, user, credentials }: KubeconfigInput): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'mezzo', cluster: { server: url, 'certificate-authority-data': base64(authority) } },
    ],
    users: [
      {
        name: user,
        user: {
          'client-certificate-data': base64(credentials.certificate),
          'client-key-data': base64(credentials.key),
        },
      },
    ],
    contexts: [{ name: 'mezzo', context: { cluster: 'mezzo', user } }],
    'current-context': 'mezzo',
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
