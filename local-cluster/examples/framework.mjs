// An external framework: the npm package mesos-framework, which knows nothing of Kubernetes, keeps one
// small task running through Mezzo's scheduler API.
//   node local-cluster/examples/framework.mjs --host 127.0.0.1 --port 5050
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import mesosFramework from 'mesos-framework';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '5050' },
    command: { type: 'string', default: 'while true; do echo tock; sleep 5; done' },
    'log-dir': { type: 'string', default: tmpdir() },
  },
});

const mesos = mesosFramework.Mesos.getMesos();
const noUris = null;
const noEnvironment = null;
const isShell = true;
const scheduler = new mesosFramework.Scheduler({
  masterUrl: values.host,
  port: Number(values.port),
  frameworkName: 'tick-tock',
  user: 'nobody',
  logging: { path: values['log-dir'], fileName: 'mesos-framework.log', level: 'info' },
  tasks: {
    tock: {
      instances: 1,
      commandInfo: new mesos.CommandInfo(
        noUris,
        noEnvironment,
        isShell,
        values.command,
        null,
        null,
      ),
      resources: { cpus: 0.1, mem: 32, ports: 0, disk: 0 },
    },
  },
});

const say = (line) => console.log(`${new Date().toISOString()} ${line}`);
scheduler.on('ready', () => scheduler.subscribe());
scheduler.on('subscribed', ({ frameworkId }) => say(`subscribed as ${frameworkId}`));
scheduler.on('update', ({ status }) => say(`task ${status?.task_id?.value}: ${status?.state}`));
scheduler.on('error', (error) => say(`error: ${error?.message ?? JSON.stringify(error)}`));
process.on('SIGTERM', () => process.exit(0));
