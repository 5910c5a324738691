import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Authority,
  createAuthority,
  createTokenKeys,
  issue,
  type KeyAndCertificate,
} from './pki/certificate.ts';

/** Keys and certificates of one cluster, as files in one folder and as text. */
export interface ClusterPki {
  readonly dir: string;
  readonly authority: Authority;
  readonly admin: KeyAndCertificate;
  readonly controllerManager: KeyAndCertificate;
  /** Issues a certificate and writes `<file>.crt` and `<file>.key`. */
  issueTo(
    file: string,
    request: { commonName: string; organizations?: readonly string[]; hosts?: readonly string[] },
  ): Promise<KeyAndCertificate>;
  path(file: string): string;
}

/** Makes a new authority and the control plane's own certificates. */
export async function createClusterPki(
  dir: string,
  apiHosts: readonly string[],
): Promise<ClusterPki> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const authority = createAuthority('mezzo-local-cluster');
  const path = (file: string) => join(dir, file);
  const issueTo: ClusterPki['issueTo'] = async (file, request) => {
    const made = issue(authority, request);
    await writeFile(path(`${file}.crt`), made.certificate);
    await writeFile(path(`${file}.key`), made.key, { mode: 0o600 });
    return made;
  };
  await writeFile(path('ca.crt'), authority.certificate);
  const tokens = createTokenKeys();
  await writeFile(path('service-accounts.pub'), tokens.publicKey);
  await writeFile(path('service-accounts.key'), tokens.privateKey, { mode: 0o600 });
  await issueTo('apiserver', { commonName: 'kube-apiserver', hosts: apiHosts });
  const masters = ['system:masters'];
  await issueTo('kubelet-client', { commonName: 'kube-apiserver', organizations: masters });
  const admin = await issueTo('admin', { commonName: 'admin', organizations: masters });
  const controllerManager = await issueTo('controller-manager', {
    commonName: 'system:kube-controller-manager',
  });
  return { dir, authority, admin, controllerManager, issueTo, path };
}
