/** The dependency rule of the house, as data. Each entry names a folder and what it may not reach. */
const pure =
  '^operator/src/(model|allocator|state)/|^operator/src/controllers/.*/decide[^/]*\\.ts$';

// biome-ignore lint/style/noDefaultExport: dependency-cruiser loads its configuration from the default export
export default {
  forbidden: [
    {
      name: 'model-imports-only-itself',
      severity: 'error',
      from: { path: '^operator/src/model/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^operator/src/model/' },
    },
    {
      name: 'allocator-and-state-import-model',
      comment: 'and not each other, so that each can be read alone',
      severity: 'error',
      from: { path: '^operator/src/(allocator|state)/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^operator/src/(model|$1)/' },
    },
    {
      name: 'ports-import-model',
      severity: 'error',
      from: { path: '^operator/src/ports/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^operator/src/(ports|model)/' },
    },
    {
      name: 'schema-imports-model-ports-types-and-zod',
      severity: 'error',
      from: { path: '^operator/src/schema/', pathNot: '\\.test\\.ts$|/generate/' },
      to: { pathNot: '^operator/src/(schema|model|ports)/|node_modules/zod/' },
    },
    {
      name: 'decisions-do-no-io',
      comment: 'A decision is a pure function: no Node module, client, server, logger or adapter.',
      severity: 'error',
      from: { path: pure, pathNot: '\\.test\\.ts$' },
      to: {
        path: '^node:|^operator/src/(runtime|store|telemetry|api)/|node_modules/(?!zod)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'adapters-are-constructed-in-main',
      severity: 'error',
      from: {
        path: '^operator/src/(controllers|api|runtime|allocator|state|model|ports|schema)/',
        pathNot: '\\.test\\.ts$',
      },
      to: { path: '^operator/src/(store|telemetry)/' },
    },
    {
      name: 'controllers-know-no-server',
      severity: 'error',
      from: { path: '^operator/src/controllers/', pathNot: '\\.test\\.ts$' },
      to: { path: '^operator/src/api/|node_modules/(express|undici)/' },
    },
    {
      name: 'agent-shares-model-schema-ports',
      comment:
        'main.ts and its adapters also use the Kubernetes transport and the system adapters.',
      severity: 'error',
      from: { path: '^agent-daemonset/src/', pathNot: '\\.test\\.ts$|/main\\.ts$|/adapters/' },
      to: { path: '^operator/src/(?!model|schema|ports)' },
    },
    {
      name: 'client-shares-model-and-schema',
      comment: 'It is for other people: thin, without dependencies, and not tied to the operator.',
      severity: 'error',
      from: { path: '^client/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: '^client/|^operator/src/(model|schema)/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'product-knows-no-tests',
      severity: 'error',
      from: {
        path: '^(operator|agent-daemonset|client)/',
        pathNot: '\\.test\\.ts$|\\.test/|testdata',
      },
      to: { path: '^(test|local-cluster)/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    parser: 'swc',
    exclude: { path: 'testdata' },
  },
};
