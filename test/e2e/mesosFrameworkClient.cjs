'use strict';

/**
 * Runs the npm package mesos-framework, as published, against a master: some shell tasks, to their end, then TEARDOWN.
 * Prints what happens as JSON lines. Arguments: host, port, shell command, folder for the package's log file,
 * seconds of silence after which the client gives up on its connection (the package's own default is 10), how many tasks.
 */

const { Mesos, Scheduler } = require('mesos-framework');

const [host, port, command, logFolder, silenceSeconds, instances] = process.argv.slice(2);
const mesos = Mesos.getMesos();
const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

const scheduler = new Scheduler({
  masterUrl: host,
  port,
  useZk: false,
  frameworkName: 'npm-mesos-framework',
  frameworkFailoverTimeout: 60,
  masterConnectionTimeout: Number(silenceSeconds),
  logging: { path: logFolder, fileName: 'mesos-framework.log', level: 'error' },
  restartStates: [],
  tasks: {
    hello: {
      priority: 1,
      instances: Number(instances),
      commandInfo: new mesos.CommandInfo(null, null, true, command, null, null),
      resources: { cpus: 0.1, mem: 32, ports: 0, disk: 0 },
    },
  },
});

const finished = new Set();

/**
 * The package subscribes again when a stream ends in order; of one that is cut off, and of a refusal, it hears nothing on
 * today's Node, so whoever uses it has to look.
 */
setInterval(() => {
  if (scheduler.httpRequest?.destroyed) subscribe();
}, 500);
function subscribe() {
  delete scheduler.requestTemplate.headers['mesos-stream-id'];
  scheduler.subscribe();
}

scheduler.on('ready', subscribe);
scheduler.on('subscribed', ({ frameworkId, mesosStreamId }) =>
  say('subscribed', { frameworkId, mesosStreamId }),
);
scheduler.on('offers', ({ offers }) => say('offers', { count: offers.length }));
scheduler.on('sent_accept', () => say('accepted'));
scheduler.on('heartbeat', () => say('heartbeat'));
scheduler.on('update', ({ status }) => {
  say('update', { state: status.state, task: status.task_id.value, message: status.message });
  if (status.state === 'TASK_FINISHED') finished.add(status.task_id.value);
});
scheduler.on('sent_acknowledge', () => {
  say('acknowledged');
  if (finished.size === Number(instances)) scheduler.teardown();
});
scheduler.on('sent_teardown', () => {
  say('torn down');
  process.exit(0);
});
scheduler.on('error', (error) => say('error', { message: String(error.message ?? error) }));
