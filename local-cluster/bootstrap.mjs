// Runs a TypeScript entry point of this repository on a fresh clone: `node bootstrap.mjs <script.ts> [args…]`.
// Works on Node >= 18 with nothing installed: it installs the dependencies when they are missing or stale,
// and re-executes the script with the Node that the dependencies bring when the system's Node is too old.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const MODULES = join(ROOT, 'node_modules');
const STAMP = join(MODULES, '.mezzo-lock-hash');
// Outside the tree: `npm ci` empties node_modules, and the tree stays free of files git would show.
const LOCK = join(
  tmpdir(),
  `mezzo-npm-ci-${createHash('sha256').update(ROOT).digest('hex').slice(0, 12)}.lock`,
);
const NPM_LOG = LOCK.replace(/lock$/, 'log');
const REQUIRED = [22, 19];
const INSTALL_DEADLINE_MS = 20 * 60_000;

const say = (line) => process.stderr.write(`[bootstrap] ${line}\n`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Ends the process with a message that says what to do next. */
function fail(message) {
  say(message);
  process.exit(1);
}

function lockHash() {
  const file = join(ROOT, 'package-lock.json');
  if (!existsSync(file))
    fail(`${file} is missing. Restore it with: git checkout package-lock.json`);
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function installed(hash) {
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8').trim() === hash) return true;
  if (!matchesHiddenLock()) return false;
  writeFileSync(STAMP, `${hash}\n`); // a plain `npm install` did the work already
  return true;
}

/** Whether node_modules, by npm's own record of it, holds what package-lock.json asks for. */
function matchesHiddenLock() {
  try {
    const read = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
    const wanted = Object.entries(read(join(ROOT, 'package-lock.json')));
    const have = read(join(MODULES, '.package-lock.json'));
    return wanted.every(([path, entry]) => {
      if (path === '') return true;
      const found = have[path];
      return found === undefined ? entry.optional === true : found.version === entry.version;
    });
  } catch {
    return false;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`; // a zombie still answers signals, but holds nothing
    return !(existsSync(stat) && /\) Z /.test(readFileSync(stat, 'utf8')));
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Creates the lock file with our pid in it; false when another live process holds it. */
function tryLock() {
  try {
    const handle = openSync(LOCK, 'wx');
    writeSync(handle, String(process.pid));
    closeSync(handle);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    const owner = Number(readFileSync(LOCK, 'utf8'));
    const young = Date.now() - statSync(LOCK).mtimeMs < 5_000; // its pid may not be written yet
    if (owner > 0 ? !isAlive(owner) : !young) unlinkSync(LOCK);
  } catch {
    // The owner removed it in between: the next try will tell.
  }
  return false;
}

function signalNumber(signal) {
  return constants.signals[signal] ?? 1;
}

/** Runs a child to its end and resolves to its exit code (128 + n for a signal). */
function run(command, args, options) {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      // A terminal sends Ctrl-C to the whole process group itself: the child must not see it twice.
      const fromTerminal = signal === 'SIGINT' && process.stdin.isTTY;
      process.on(signal, () => fromTerminal || child.kill(signal));
    }
    child.on('error', failed);
    child.on('exit', (code, signal) => done(code ?? 128 + signalNumber(signal)));
  });
}

/** Runs npm with its progress shown; resolves to its exit code. */
async function npm(verb) {
  // Development and optional packages are needed here whatever the caller's environment says:
  // they are the tools of `npm test` and the Node binary itself.
  const flags = ['--include=dev', '--include=optional', '--no-fund', '--no-audit'];
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  const beat = setInterval(() => say(`npm ${verb[0]}: ${seconds()} s`), 10_000);
  const stdio = ['ignore', 2, openSync(NPM_LOG, 'a')];
  const code = await run('npm', [...verb, ...flags, '--loglevel=error'], {
    cwd: ROOT,
    stdio,
  }).catch((error) =>
    fail(`npm could not be started (${error.message}). Install Node.js >= 18 with npm.`),
  );
  clearInterval(beat);
  return code;
}

async function installDependencies() {
  say('installing dependencies (npm ci), about a minute the first time …');
  rmSync(NPM_LOG, { force: true });
  if ((await npm(['ci'])) === 0) return;
  // `npm ci` refuses a lock that lacks optional packages of other platforms, which happens where the
  // registry does not serve them. `npm install --no-save` obeys the same lock and leaves it as it is.
  say('npm ci refused; trying npm install --no-save with the same package-lock.json …');
  if ((await npm(['install', '--no-save'])) === 0) return;
  rmSync(STAMP, { force: true });
  process.stderr.write(readFileSync(NPM_LOG, 'utf8').split('\n').slice(-40).join('\n'));
  fail(
    `npm failed (all of its output: ${NPM_LOG}). Check the registry with "npm ping", then retry.`,
  );
}

async function ensureDependencies() {
  const hash = lockHash();
  const deadline = Date.now() + INSTALL_DEADLINE_MS;
  let told = false;
  while (!installed(hash)) {
    if (tryLock()) {
      try {
        if (installed(hash)) return;
        await installDependencies();
        mkdirSync(MODULES, { recursive: true });
        writeFileSync(STAMP, `${hash}\n`);
        return;
      } finally {
        rmSync(LOCK, { force: true });
      }
    }
    if (!told) say('another process is installing the dependencies; waiting for it …');
    told = true;
    if (Date.now() > deadline)
      fail(`${LOCK} is still held. If no npm is running, delete the file.`);
    await sleep(300);
  }
}

function recentEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > REQUIRED[0] || (major === REQUIRED[0] && minor >= REQUIRED[1]);
}

/** The Node to run with: the packaged Node 24 when it is there, else this one when it is new enough. */
function chooseNode() {
  const packaged = join(MODULES, `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(packaged)) return packaged;
  if (recentEnough(process.version)) return process.execPath;
  return fail(
    `Node ${process.version} is too old (needs >= ${REQUIRED.join('.')}) and no packaged Node is at ${packaged}. ` +
      `Install Node 24 (https://nodejs.org) for ${process.platform}-${process.arch}, then run this command again.`,
  );
}

async function main() {
  const [script, ...args] = process.argv.slice(2);
  if (script === undefined)
    fail('usage: node local-cluster/bootstrap.mjs <script.ts> [arguments…]');
  const path = resolve(ROOT, script);
  if (!existsSync(path)) fail(`${script} does not exist under ${ROOT}.`);
  await ensureDependencies();
  const node = chooseNode();
  const bins = [dirname(node), join(MODULES, '.bin')];
  const env = {
    // Every process reads the TypeScript sources anew otherwise, a second of work each.
    NODE_COMPILE_CACHE: join(MODULES, '.cache', 'node-compile'),
    ...process.env,
    PATH: [...bins, process.env.PATH ?? ''].join(delimiter),
  };
  const quiet = '--disable-warning=ExperimentalWarning'; // type stripping announces itself otherwise
  process.exitCode = await run(node, [quiet, path, ...args], { env });
}

await main();
