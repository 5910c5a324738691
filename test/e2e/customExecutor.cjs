/**
 * A custom executor on plain HTTP and JSON, as somebody who has read nothing but Mesos's documents would write it. Runs in
 * the Pod (`node -e`), so it is on its own: no imports but Node's. Its tasks are names that run until it is told otherwise:
 * `finish <task>`, `finish <task> <ms>`, anything else is answered with what it knows of itself.
 */
const http = require('node:http');
const { randomBytes } = require('node:crypto');

const { MESOS_FRAMEWORK_ID, MESOS_EXECUTOR_ID, MESOS_AGENT_ENDPOINT } = process.env;
const token = process.env.MESOS_EXECUTOR_AUTHENTICATION_TOKEN;
const tasks = new Map();
const updates = new Map();
let subscriptions = 0;

function post(body, onReply) {
  const request = http.request(`http://${MESOS_AGENT_ENDPOINT}/api/v1/executor`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/json',
      Authorization: `Bearer ${token}`,
    },
  });
  request.on('response', onReply);
  request.on('error', (error) => onReply({ statusCode: 0, resume() {}, error }));
  const ids = {
    framework_id: { value: MESOS_FRAMEWORK_ID },
    executor_id: { value: MESOS_EXECUTOR_ID },
  };
  request.end(JSON.stringify({ ...ids, ...body }));
}

function update(task, state) {
  const uuid = randomBytes(16).toString('base64');
  const status = {
    task_id: { value: task },
    state,
    uuid,
    source: 'SOURCE_EXECUTOR',
    executor_id: { value: MESOS_EXECUTOR_ID },
    timestamp: Date.now() / 1000,
  };
  updates.set(uuid, { status });
  // Whatever comes of it: what is not acknowledged goes along with the next subscription.
  post({ type: 'UPDATE', update: { status } }, (reply) => reply.resume());
}

function onMessage(text) {
  const [verb, task, ms = '0'] = text.split(' ');
  if (verb === 'finish') setTimeout(() => update(task, 'TASK_FINISHED'), Number(ms));
  const known = { text, pid: process.pid, subscriptions, started: Math.round(performance.timeOrigin) };
  const data = Buffer.from(JSON.stringify(known)).toString('base64');
  post({ type: 'MESSAGE', message: { data } }, (reply) => reply.resume());
}

function onEvent(event) {
  switch (event.type) {
    case 'SUBSCRIBED':
      subscriptions += 1;
      break;
    case 'LAUNCH':
      tasks.set(event.launch.task.task_id.value, event.launch.task);
      update(event.launch.task.task_id.value, 'TASK_RUNNING');
      break;
    case 'KILL':
      update(event.kill.task_id.value, 'TASK_KILLED');
      break;
    case 'ACKNOWLEDGED':
      tasks.delete(event.acknowledged.task_id.value);
      updates.delete(event.acknowledged.uuid);
      break;
    case 'MESSAGE':
      onMessage(Buffer.from(event.message.data, 'base64').toString());
      break;
    case 'SHUTDOWN':
      process.exit(0);
  }
  console.log(event.type);
}

function subscribe() {
  let isOver = false;
  const again = () => {
    if (!isOver) setTimeout(subscribe, 300);
    isOver = true;
  };
  const unacknowledged_tasks = [...tasks.values()];
  const unacknowledged_updates = [...updates.values()];
  post({ type: 'SUBSCRIBE', subscribe: { unacknowledged_tasks, unacknowledged_updates } }, (reply) => {
    console.log('subscribe', reply.statusCode);
    if (reply.statusCode !== 200) {
      reply.resume();
      again();
      return;
    }
    let text = '';
    reply.setEncoding('latin1');
    reply.on('data', (part) => {
      text += part;
      for (;;) {
        const end = text.indexOf('\n');
        const length = Number(text.slice(0, end));
        if (end < 0 || text.length < end + 1 + length) return;
        onEvent(JSON.parse(text.slice(end + 1, end + 1 + length)));
        text = text.slice(end + 1 + length);
      }
    });
    reply.on('close', again);
    reply.on('error', again);
  });
}

subscribe();
