// What `helm test` runs in a Pod of the release: is the operator ready, and does the API serve every Mezzo kind?
import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const kinds = [
  'roles',
  'quotas',
  'reservations',
  'servicejobs',
  'cronjobs',
  'adhocjobs',
  'frameworks',
  'agents',
  'maintenancewindows',
];
const deadline = Date.now() + 90_000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function get(url, headers) {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(5000) });
  const body = await response.text();
  if (!response.ok)
    throw new Error(`GET ${url} answered ${response.status}: ${body.slice(0, 500)}`);
  return body;
}

/** Tries again until the deadline: right after an install the Service may not be routed yet. */
async function eventually(name, attempt) {
  for (;;) {
    try {
      console.log(`ok    ${name}: ${await attempt()}`);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${name}: ${error.message}`, { cause: error });
      await sleep(1000);
    }
  }
}

const { OPERATOR_CA_FILE } = process.env;
if (OPERATOR_CA_FILE !== undefined)
  setDefaultCACertificates([
    ...getCACertificates('default'),
    readFileSync(OPERATOR_CA_FILE, 'utf8'),
  ]);
const { OPERATOR_URL, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
const authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;

try {
  await eventually('operator is ready', () => get(`${OPERATOR_URL}/readyz`, {}));
  for (const kind of kinds) {
    await eventually(`API serves ${kind}.mezzo.dev`, async () => {
      const url = `https://${authority}/apis/mezzo.dev/v1alpha1/${kind}?limit=500`;
      const list = JSON.parse(await get(url, { authorization }));
      return `${list.items.length} objects`;
    });
  }
  console.log('passed');
} catch (error) {
  console.error('FAILED', error);
  process.exit(1);
}
