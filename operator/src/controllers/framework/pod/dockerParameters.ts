import { ok, refuse } from '../../../model/result.ts';
import type { EnvVar, Pod } from '../../../schema/kubeObjects.ts';
import type { DockerParameter } from '../../../schema/mesos/container.ts';
import { literal } from './command.ts';
import { DNS_LABEL, type PodContext, type Translated } from './podContext.ts';
import { capabilityFault, type Privilege, privilegeFault } from './privileges.ts';

/** What the parameters of a DockerInfo add to a Pod. */
export interface ParameterEffects {
  readonly env: readonly EnvVar[];
  readonly workingDir?: string;
  readonly entrypoint?: string;
  readonly runAsUser?: number;
  readonly readOnlyRootFilesystem?: true;
  readonly addCapabilities: readonly string[];
  readonly pod: Pick<Pod['spec'], 'hostname' | 'dnsConfig' | 'hostAliases'>;
}

type Effect = Partial<ParameterEffects>;
/** What one parameter does, or a text that says what is wrong with its value. */
type Reader = (value: string) => Translated<Effect>;

/** `docker run` flags that are translated; every other one is refused. */
const READERS: { readonly [key: string]: Reader } = {
  env: (value) => {
    const [name = '', ...rest] = value.split('=');
    return name === '' || rest.length === 0
      ? refuse('must be NAME=value')
      : ok({ env: [{ name, value: literal(rest.join('=')) }] });
  },
  workdir: (value) =>
    value.startsWith('/') ? ok({ workingDir: value }) : refuse('must be an absolute path'),
  entrypoint: (value) => (value === '' ? refuse('must not be empty') : ok({ entrypoint: value })),
  user: (value) => {
    const uid = Number(value.split(':')[0]);
    return Number.isInteger(uid) && uid > 0 && uid < 2 ** 31
      ? ok({ runAsUser: uid })
      : refuse('must be the number of a user other than root');
  },
  hostname: (value) =>
    DNS_LABEL.test(value) ? ok({ pod: { hostname: value } }) : refuse('must be a DNS label'),
  'read-only': (value) =>
    value === 'false' ? ok({}) : ok({ readOnlyRootFilesystem: true as const }),
  dns: (value) => ok({ pod: { dnsConfig: { nameservers: [value] } } }),
  'dns-search': (value) => ok({ pod: { dnsConfig: { searches: [value] } } }),
  'dns-option': (value) => {
    const [name = '', option] = value.split(':');
    const one = option === undefined ? { name } : { name, value: option };
    return ok({ pod: { dnsConfig: { options: [one] } } });
  },
  'add-host': (value) => {
    const [host = '', ...address] = value.split(':');
    return host === '' || address.length === 0
      ? refuse('must be host:address')
      : ok({ pod: { hostAliases: [{ ip: address.join(':'), hostnames: [host] }] } });
  },
  // Every capability is dropped anyway.
  'cap-drop': () => ok({}),
  'cap-add': (value) => ok({ addCapabilities: [value.toUpperCase().replace(/^CAP_/, '')] }),
};

const ALIASES: { readonly [key: string]: string } = {
  e: 'env',
  w: 'workdir',
  u: 'user',
  h: 'hostname',
  'dns-opt': 'dns-option',
};

/** Flags that would hand out the node; named so that the refusal can say which permission is missing. */
const PRIVILEGED_FLAGS: { readonly [key: string]: Privilege } = {
  privileged: 'privileged',
  device: 'privileged',
  'security-opt': 'privileged',
  pid: 'privileged',
  ipc: 'privileged',
  userns: 'privileged',
  volume: 'host-path',
  v: 'host-path',
  mount: 'host-path',
  'volumes-from': 'host-path',
};

/** The field that says the same in Mesos's own words. */
const INSTEAD: { readonly [key: string]: string } = {
  volume: 'container.volumes',
  v: 'container.volumes',
  net: 'container.docker.network',
  network: 'container.docker.network',
  publish: 'container.docker.port_mappings',
  p: 'container.docker.port_mappings',
  privileged: 'container.docker.privileged',
  memory: 'limits',
  m: 'limits',
  cpus: 'limits',
  label: 'labels',
  l: 'labels',
};

export function parameterEffects(
  parameters: readonly DockerParameter[],
  context: PodContext,
): Translated<ParameterEffects> {
  let effects: ParameterEffects = { env: [], addCapabilities: [], pod: {} };
  for (const [index, { key, value = '' }] of parameters.entries()) {
    const field = `container.docker.parameters[${index}]`;
    const name = ALIASES[key] ?? key;
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (reader === undefined) return refuse(refusalOf(key, field, context));
    const effect = reader(value);
    if (!effect.ok) return refuse(`${field}.value: '${key}' ${effect.refusal}`);
    const missing = (effect.value.addCapabilities ?? [])
      .map((one) => capabilityFault(one, context, field))
      .find((one) => one !== undefined);
    if (missing !== undefined) return refuse(missing);
    effects = merged(effects, effect.value);
  }
  return ok(effects);
}

function refusalOf(key: string, field: string, { place }: PodContext): string {
  const instead = Object.hasOwn(INSTEAD, key) ? `; use ${INSTEAD[key]}` : '';
  const privilege = Object.hasOwn(PRIVILEGED_FLAGS, key) ? PRIVILEGED_FLAGS[key] : undefined;
  if (privilege !== undefined) {
    const fault = privilegeFault(undefined, privilege, place.namespace, `${field}.key '${key}'`);
    return `${fault ?? ''}${instead}`;
  }
  return `${field}.key: '${key}' is not translated${instead}`;
}

function merged(one: ParameterEffects, more: Effect): ParameterEffects {
  const dns = [one.pod.dnsConfig, more.pod?.dnsConfig];
  const nameservers = dns.flatMap((config) => config?.nameservers ?? []);
  const searches = dns.flatMap((config) => config?.searches ?? []);
  const options = dns.flatMap((config) => config?.options ?? []);
  const hasDns = dns.some((config) => config !== undefined);
  const hostAliases = [...(one.pod.hostAliases ?? []), ...(more.pod?.hostAliases ?? [])];
  return {
    ...one,
    ...more,
    env: [...one.env, ...(more.env ?? [])],
    addCapabilities: [...one.addCapabilities, ...(more.addCapabilities ?? [])],
    pod: {
      ...one.pod,
      ...more.pod,
      ...(hasDns ? { dnsConfig: { nameservers, searches, options } } : {}),
      ...(hostAliases.length === 0 ? {} : { hostAliases }),
    },
  };
}
