import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';
import * as der from './der.ts';

/** A private key with its certificate, both as PEM. */
export interface KeyAndCertificate {
  readonly key: string;
  readonly certificate: string;
}

export interface Authority extends KeyAndCertificate {
  readonly commonName: string;
  readonly privateKey: KeyObject;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Kubernetes reads these as the user's groups. */
  readonly organizations?: readonly string[];
  /** DNS names and IPv4 addresses a server answers for; none for a client. */
  readonly hosts?: readonly string[];
}

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const VALID_MS = 365 * 24 * 3_600_000;
const CLOCK_SKEW_MS = 5 * 60_000;
const KEY_CERT_SIGN_AND_CRL = der.bits(Buffer.from([0x06]), 1);
const SIGNATURE_AND_ENCIPHERMENT = der.bits(Buffer.from([0xa0]), 5);

/** Makes a self-signed authority with a P-256 key. */
export function createAuthority(commonName: string): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = encode({
    issuer: { commonName },
    subject: { commonName },
    publicKey,
    signer: privateKey,
    extensions: [
      extension(OID.basicConstraints, der.sequence(der.boolean(true)), true),
      extension(OID.keyUsage, KEY_CERT_SIGN_AND_CRL, true),
    ],
  });
  return { commonName, privateKey, certificate, key: pem(privateKey) };
}

/** Issues a certificate for a server (with hosts) or a client. */
export function issue(authority: Authority, request: CertificateRequest): KeyAndCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const hosts = request.hosts ?? [];
  const usages = der.sequence(der.oid(OID.serverAuth), der.oid(OID.clientAuth));
  const extensions = [
    extension(OID.keyUsage, SIGNATURE_AND_ENCIPHERMENT, true),
    extension(OID.extendedKeyUsage, usages),
  ];
  if (hosts.length > 0) extensions.push(extension(OID.subjectAltName, altNames(hosts)));
  const issuer = { commonName: authority.commonName };
  const signer = authority.privateKey;
  const certificate = encode({ issuer, subject: request, publicKey, signer, extensions });
  return { certificate, key: pem(privateKey) };
}

/** A key pair to sign service-account tokens with. */
export function createTokenKeys(): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

function altNames(hosts: readonly string[]): Buffer {
  return der.sequence(
    ...hosts.map((host) =>
      isIPv4(host)
        ? der.implicit(7, Buffer.from(host.split('.').map(Number)))
        : der.implicit(2, Buffer.from(host)),
    ),
  );
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.oid(id), ...flag, der.octets(value));
}

function distinguishedName(name: CertificateRequest): Buffer {
  const attribute = (id: string, text: string) =>
    der.set(der.sequence(der.oid(id), der.utf8(text)));
  return der.sequence(
    ...(name.organizations ?? []).map((text) => attribute(OID.organization, text)),
    attribute(OID.commonName, name.commonName),
  );
}

interface Contents {
  readonly issuer: CertificateRequest;
  readonly subject: CertificateRequest;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
}

/** RFC 5280 §4.1: TBSCertificate, algorithm, signature. */
function encode(contents: Contents): string {
  const algorithm = der.sequence(der.oid(OID.ecdsaWithSha256));
  const now = Date.now();
  const body = der.sequence(
    der.explicit(0, der.integer(Buffer.from([2]))), // version 3
    der.integer(randomBytes(16)),
    algorithm,
    distinguishedName(contents.issuer),
    der.sequence(der.time(new Date(now - CLOCK_SKEW_MS)), der.time(new Date(now + VALID_MS))),
    distinguishedName(contents.subject),
    contents.publicKey.export({ type: 'spki', format: 'der' }),
    der.explicit(3, der.sequence(...contents.extensions)),
  );
  const signature = sign('sha256', body, contents.signer);
  const whole = der.sequence(body, algorithm, der.bits(signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
