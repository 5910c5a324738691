import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { REPOSITORY } from '../../local-cluster/support/paths.ts';
import { type DockerEngine, localBaseImages, noEngineReason, startEngine } from './chartDocker.ts';

const reason = await noEngineReason();
const run = reason === undefined ? describe : describe.skip;

const IMAGE = 'mezzo.local/mezzo:dockerfile';

let scratch: string;
let engine: DockerEngine;

/** testcontainers reads its environment when it is first used. */
async function loadTestcontainers() {
  Object.assign(process.env, engine.env, { TESTCONTAINERS_RYUK_DISABLED: 'true' });
  return import('testcontainers');
}

run(reason === undefined ? 'Dockerfile' : `Dockerfile (${reason})`, () => {
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mezzo-docker-'));
    engine = await startEngine(scratch);
    const { getContainerRuntimeClient, GenericContainer } = await loadTestcontainers();
    const { base, buildBase, tars } = await localBaseImages();
    const { container } = await getContainerRuntimeClient();
    for (const tar of tars) {
      const loading = await container.dockerode.loadImage(createReadStream(tar));
      await new Promise<void>((resolve, reject) =>
        container.dockerode.modem.followProgress(loading, (error) =>
          error ? reject(error) : resolve(),
        ),
      );
    }
    await GenericContainer.fromDockerfile(REPOSITORY)
      .withBuildArgs({ BASE: base, BUILD_BASE: buildBase })
      .build(IMAGE, { deleteOnExit: false });
  }, 20 * 60_000);

  afterAll(async () => {
    await engine?.stop();
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }, 60_000);

  test('builds an image that runs neither as root nor with the sources', async () => {
    const { getContainerRuntimeClient } = await loadTestcontainers();
    const { container } = await getContainerRuntimeClient();
    const { Config } = await container.dockerode.getImage(IMAGE).inspect();
    expect(Config.User).toBe('65532:65532');
    expect(Config.Entrypoint).toEqual(['node']);
    expect(Config.Cmd).toEqual(['/app/operator.mjs']);
  });

  test('the operator starts in it and answers its probes', async () => {
    const { GenericContainer, Wait } = await loadTestcontainers();
    // No cluster is there: the operator must live and say that it is not ready.
    const operator = await new GenericContainer(IMAGE)
      .withNetworkMode('none')
      .withWaitStrategy(Wait.forLogMessage(/operator started/))
      .withStartupTimeout(60_000)
      .start();
    try {
      const script =
        'for (const p of ["/livez","/readyz"]) fetch("http://127.0.0.1:8081"+p).then((r) => console.log(p, r.status));';
      const probes = await operator.exec(['node', '-e', script]);
      expect(probes.output.trim().split('\n').toSorted()).toEqual(['/livez 200', '/readyz 503']);
      const looks = await operator.exec([
        'node',
        '-p',
        'process.getuid() + " " + require("fs").readdirSync("/app")',
      ]);
      expect(looks.output.trim()).toBe('65532 agent.mjs,fetcher.mjs,operator.mjs');
    } finally {
      await operator.stop();
    }
  }, 120_000);

  test('the agent starts in it', async () => {
    const { GenericContainer, Wait } = await loadTestcontainers();
    const agent = await new GenericContainer(IMAGE)
      .withNetworkMode('none')
      .withCommand(['/app/agent.mjs', '--help'])
      .withWaitStrategy(Wait.forOneShotStartup())
      .start();
    const logs = await agent.logs();
    const text = await new Promise<string>((resolve) => {
      let all = '';
      logs.on('data', (chunk) => (all += String(chunk))).on('end', () => resolve(all));
    });
    expect(text).toContain('--cgroup-root');
    await agent.stop();
  }, 120_000);
});
