// Every binary a local cluster or its tests need, as data: version, official release, how to build it.
import type { GoRecipe, Unit } from './types.ts';

const KUBERNETES = '1.36.3';
const ETCD = '3.6.5';
const CONTAINERD = '2.4.2';
const RUNC = '1.5.2';
const CNI = '1.9.1';
const KWOK = '0.8.0';
const HELM = '4.3.1';
const HELM3 = '3.22.0';
const KUBECONFORM = '0.8.0';
const HELM_UNITTEST = '1.1.2';
const PROMETHEUS = '2.42.0';
const MESOS_GO = '0.0.11';

const [KUBE_MAJOR, KUBE_MINOR] = KUBERNETES.split('.');
const KUBE_LDFLAGS = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
  .flatMap((variable) => [
    `-X ${variable}.gitVersion=v${KUBERNETES}`,
    `-X ${variable}.gitMajor=${KUBE_MAJOR}`,
    `-X ${variable}.gitMinor=${KUBE_MINOR}`,
    `-X ${variable}.gitTreeState=clean`,
  ])
  .join(' ');

function kubernetes(name: string): Unit {
  const url = `https://dl.k8s.io/v{version}/bin/{os}/{arch}/${name}`;
  return {
    name,
    version: KUBERNETES,
    files: [name],
    download: { url, checksumUrl: `${url}.sha256` },
    build: {
      kind: 'go',
      group: 'k8s',
      packages: { [name]: `k8s.io/kubernetes/cmd/${name}` },
      ldflags: KUBE_LDFLAGS,
    },
  };
}

function helm(name: string, version: string, module: string): Unit {
  const url = 'https://get.helm.sh/helm-v{version}-{os}-{arch}.tar.gz';
  return {
    name,
    version,
    files: ['helm'],
    download: { url, checksumUrl: `${url}.sha256sum`, members: { helm: '{os}-{arch}/helm' } },
    build: go(
      name,
      { helm: `${module}/cmd/helm` },
      `-X ${module}/internal/version.version=v${version}`,
    ),
  };
}

function go(group: string, packages: GoRecipe['packages'], ldflags = ''): GoRecipe {
  return { kind: 'go', group, packages, ldflags };
}

const GITHUB = 'https://github.com';
const CONTAINERD_MODULE = 'github.com/containerd/containerd/v2';
const CNI_MODULE = 'github.com/containernetworking/plugins';
const CNI_FILES = ['bridge', 'loopback', 'ptp', 'host-local', 'portmap'] as const;

const etcd: Unit = {
  name: 'etcd',
  version: ETCD,
  files: ['etcd'],
  download: {
    url: `${GITHUB}/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-{os}-{arch}.tar.gz`,
    checksumUrl: `${GITHUB}/etcd-io/etcd/releases/download/v{version}/SHA256SUMS`,
    members: { etcd: 'etcd-v{version}-{os}-{arch}/etcd' },
  },
  build: go('etcd', { etcd: 'go.etcd.io/etcd/server/v3' }),
};

const containerdFiles = ['containerd', 'containerd-shim-runc-v2', 'ctr'] as const;
const containerdUrl = `${GITHUB}/containerd/containerd/releases/download/v{version}/containerd-static-{version}-{os}-{arch}.tar.gz`;
const containerd: Unit = {
  name: 'containerd',
  version: CONTAINERD,
  files: containerdFiles,
  download: {
    url: containerdUrl,
    checksumUrl: `${containerdUrl}.sha256sum`,
    members: Object.fromEntries(containerdFiles.map((file) => [file, `bin/${file}`])),
  },
  build: go(
    'containerd',
    Object.fromEntries(containerdFiles.map((file) => [file, `${CONTAINERD_MODULE}/cmd/${file}`])),
    `-X ${CONTAINERD_MODULE}/version.Version=v${CONTAINERD}`,
  ),
};

const runc: Unit = {
  name: 'runc',
  version: RUNC,
  files: ['runc'],
  download: {
    url: `${GITHUB}/opencontainers/runc/releases/download/v{version}/runc.{arch}`,
    checksumUrl: `${GITHUB}/opencontainers/runc/releases/download/v{version}/runc.sha256sum`,
  },
  build: {
    kind: 'go',
    group: 'runc',
    packages: { runc: 'github.com/opencontainers/runc' },
    // Static, so that it runs without libseccomp on the machine.
    tags: 'seccomp netgo osusergo',
    ldflags: `-linkmode external -extldflags -static -X main.version=${RUNC}`,
    cgoDebian: ['libseccomp-dev', 'libseccomp2'],
  },
};

const cniUrl = `${GITHUB}/containernetworking/plugins/releases/download/v{version}/cni-plugins-{os}-{arch}-v{version}.tgz`;
const cni: Unit = {
  name: 'cni',
  version: CNI,
  files: CNI_FILES,
  download: {
    url: cniUrl,
    checksumUrl: `${cniUrl}.sha256`,
    members: Object.fromEntries(CNI_FILES.map((file) => [file, `./${file}`])),
  },
  build: go(
    'cni',
    {
      bridge: `${CNI_MODULE}/plugins/main/bridge`,
      loopback: `${CNI_MODULE}/plugins/main/loopback`,
      ptp: `${CNI_MODULE}/plugins/main/ptp`,
      'host-local': `${CNI_MODULE}/plugins/ipam/host-local`,
      portmap: `${CNI_MODULE}/plugins/meta/portmap`,
    },
    `-X ${CNI_MODULE}/pkg/utils/buildversion.BuildVersion=v${CNI}`,
  ),
};

const kwokUrl = `${GITHUB}/kubernetes-sigs/kwok/releases/download/v{version}/kwok-{os}-{arch}`;
const kwok: Unit = {
  name: 'kwok',
  version: KWOK,
  files: ['kwok'],
  download: { url: kwokUrl, checksumUrl: `${kwokUrl}.sha256` },
  build: go(
    'kwok',
    { kwok: 'sigs.k8s.io/kwok/cmd/kwok' },
    `-X sigs.k8s.io/kwok/pkg/consts.Version=v${KWOK}`,
  ),
};

const kubeconform: Unit = {
  name: 'kubeconform',
  version: KUBECONFORM,
  files: ['kubeconform'],
  download: {
    url: `${GITHUB}/yannh/kubeconform/releases/download/v{version}/kubeconform-{os}-{arch}.tar.gz`,
    checksumUrl: `${GITHUB}/yannh/kubeconform/releases/download/v{version}/CHECKSUMS`,
    members: { kubeconform: 'kubeconform' },
  },
  build: go('kubeconform', { kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform' }),
};

const helmUnittest: Unit = {
  name: 'helm-unittest',
  version: HELM_UNITTEST,
  files: ['untt'],
  download: {
    url: `${GITHUB}/helm-unittest/helm-unittest/releases/download/v{version}/helm-unittest-{os}-{arch}-{version}.tgz`,
    checksumUrl: `${GITHUB}/helm-unittest/helm-unittest/releases/download/v{version}/helm-unittest-checksum.sha`,
    members: { untt: 'untt' },
  },
  build: go('helm-unittest', { untt: 'github.com/helm-unittest/helm-unittest/cmd/helm-unittest' }),
};

const prometheus: Unit = {
  name: 'prometheus',
  version: PROMETHEUS,
  files: ['prometheus', 'promtool'],
  download: {
    url: `${GITHUB}/prometheus/prometheus/releases/download/v{version}/prometheus-{version}.{os}-{arch}.tar.gz`,
    checksumUrl: `${GITHUB}/prometheus/prometheus/releases/download/v{version}/sha256sums.txt`,
    members: {
      prometheus: 'prometheus-{version}.{os}-{arch}/prometheus',
      promtool: 'prometheus-{version}.{os}-{arch}/promtool',
    },
  },
  build: {
    kind: 'debian',
    packages: ['prometheus'],
    files: { prometheus: 'usr/bin/prometheus', promtool: 'usr/bin/promtool' },
  },
};

const busybox: Unit = {
  name: 'busybox',
  version: '1.35.0',
  files: ['busybox'],
  build: { kind: 'debian', packages: ['busybox-static'], files: { busybox: 'bin/busybox' } },
};

const nft: Unit = {
  name: 'nft',
  version: '1.0.6',
  files: ['nft'],
  build: {
    kind: 'debian',
    packages: [
      'nftables',
      'libnftables1',
      'libnftnl11',
      'libmnl0',
      'libxtables12',
      'libjansson4',
      'libgmp10',
      'libedit2',
      'libbsd0',
      'libmd0',
      'libtinfo6',
    ],
    files: { nft: 'usr/sbin/nft' },
    bundled: true,
  },
};

const pause: Unit = {
  name: 'pause',
  version: '1',
  files: ['pause'],
  build: go('pause', { pause: '.' }),
};

const mesosGoFiles = ['example-scheduler', 'example-executor', 'msh'] as const;
const MESOS_GO_COMMANDS = 'github.com/mesos/mesos-go/api/v1/cmd';
/** Frameworks nobody here wrote, for the tests; there are no releases of them, only the source. */
const mesosGo: Unit = {
  name: 'mesos-go',
  version: MESOS_GO,
  files: mesosGoFiles,
  build: {
    kind: 'go',
    group: 'mesos-go',
    packages: Object.fromEntries(
      mesosGoFiles.map((file) => [file, `${MESOS_GO_COMMANDS}/${file}`]),
    ),
    // msh needs C for the terminal; static, so that the executor runs in any image.
    tags: 'netgo osusergo',
    ldflags: '-linkmode external -extldflags -static',
    cgoDebian: [],
  },
};

export const UNITS = [
  etcd,
  kubernetes('kube-apiserver'),
  kubernetes('kube-controller-manager'),
  kubernetes('kube-proxy'),
  kubernetes('kube-scheduler'),
  kubernetes('kubectl'),
  kubernetes('kubelet'),
  containerd,
  runc,
  cni,
  kwok,
  helm('helm', HELM, 'helm.sh/helm/v4'),
  helm('helm3', HELM3, 'helm.sh/helm/v3'),
  kubeconform,
  helmUnittest,
  prometheus,
  busybox,
  nft,
  pause,
  mesosGo,
] as const satisfies readonly Unit[];

/** Asset → the unit it belongs to and its file there (`.` for the whole folder). */
export const ASSETS = {
  etcd: ['etcd', 'etcd'],
  'kube-apiserver': ['kube-apiserver', 'kube-apiserver'],
  'kube-controller-manager': ['kube-controller-manager', 'kube-controller-manager'],
  'kube-proxy': ['kube-proxy', 'kube-proxy'],
  'kube-scheduler': ['kube-scheduler', 'kube-scheduler'],
  kubectl: ['kubectl', 'kubectl'],
  kubelet: ['kubelet', 'kubelet'],
  containerd: ['containerd', 'containerd'],
  'containerd-shim-runc-v2': ['containerd', 'containerd-shim-runc-v2'],
  ctr: ['containerd', 'ctr'],
  runc: ['runc', 'runc'],
  cni: ['cni', '.'],
  kwok: ['kwok', 'kwok'],
  helm: ['helm', 'helm'],
  helm3: ['helm3', 'helm'],
  kubeconform: ['kubeconform', 'kubeconform'],
  'helm-unittest': ['helm-unittest', 'untt'],
  prometheus: ['prometheus', 'prometheus'],
  promtool: ['prometheus', 'promtool'],
  busybox: ['busybox', 'busybox'],
  nft: ['nft', 'nft'],
  pause: ['pause', 'pause'],
  'example-scheduler': ['mesos-go', 'example-scheduler'],
  'example-executor': ['mesos-go', 'example-executor'],
  msh: ['mesos-go', 'msh'],
} as const satisfies Record<string, readonly [unit: string, file: string]>;

export type AssetName = keyof typeof ASSETS;

export const ASSET_NAMES = Object.keys(ASSETS) as readonly AssetName[];

export function isAssetName(name: string): name is AssetName {
  return Object.hasOwn(ASSETS, name);
}

/** The unit that holds an asset. */
export function unitOf(asset: AssetName): Unit {
  const unit = UNITS.find(({ name }) => name === ASSETS[asset][0]);
  if (unit === undefined) throw new Error(`asset ${asset} names a unit that is not in the catalog`);
  return unit;
}
