// Builds the image and proves the deployment on a real engine: image, compose file, health checks, a question asked in
// Slack and answered by a scaled worker, killed workers, killed Redis, an upgrade in the middle of a run.
//
//   node test/deploy/with-engine.mjs             as root, with docker, dockerd and docker-compose (or docker compose)
//
// Images are built and taken with the docker of this machine (DOCKER_HOST); everything else happens in a second dockerd
// inside namespaces of its own (test/lab/enter.mjs), beside the nodes of the practice network: no interface, address,
// firewall rule or setting of the machine is touched, which is compared before and after.
//
//   BASE=…  REDIS_IMAGE=…      other base images (defaults: those of Dockerfile and docker-compose.yml)
//   DOCKER_BUILD_OPTIONS=…     further words for docker build, for example "--network host"
//   KEEP_IMAGE=1               check the image netcheck:deploy-check as it is, without building it
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool, labBlockers, runInLab } from '../lab/enter.mjs';
import { setUp } from '../setup.mjs';

process.chdir(fileURLToPath(new URL('../..', import.meta.url)));
const image = 'netcheck:deploy-check';
const base = process.env.BASE ?? 'node:20-bookworm-slim';
const redis = process.env.REDIS_IMAGE ?? 'redis:7-bookworm';

const blockers = labBlockers();
for (const tool of ['docker', 'dockerd', 'containerd']) if (findTool(tool) === null) blockers.push(`${tool} is needed`);
const compose =
  findTool('docker-compose') !== null
    ? 'docker-compose'
    : spawnSync('docker', ['compose', 'version']).status === 0
      ? 'docker compose'
      : undefined;
if (compose === undefined) blockers.push('docker-compose (or docker compose) is needed');
if (blockers.length > 0) {
  process.stderr.write(`the deployment cannot be checked here:\n${blockers.map((line) => `  ${line}\n`).join('')}`);
  process.exit(77);
}
const ready = await setUp();
if (!ready.ok) process.exit(1);

function must(...argv) {
  const [tool, ...rest] = argv;
  const { status } = spawnSync(tool, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return;
  process.stderr.write(`${argv.join(' ')}: exit status ${status}\n`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), 'netcheck-deploy-'));
const cgroup = `netcheck-deploy-${process.pid}`;
process.on('exit', () => {
  // Containers ended with their namespaces; the cgroups that their engine made are empty by now.
  for (const hierarchy of hierarchies()) removeEmptyTree(join(hierarchy, cgroup));
  rmSync(folder, { recursive: true, force: true });
});

if (process.env.KEEP_IMAGE !== '1') {
  const options = (process.env.DOCKER_BUILD_OPTIONS ?? '').split(/\s+/).filter(Boolean);
  must('docker', 'build', ...options, '--build-arg', `BASE=${base}`, '--tag', image, '.');
}
const archive = join(folder, 'images.tar');
must('docker', 'save', '--output', archive, image, redis, base);
process.exitCode = await runInLab([process.execPath, '--import', 'tsx', 'test/deploy/check-deployment.ts'], {
  env: {
    CHECK_FOLDER: folder,
    CHECK_ARCHIVE: archive,
    CHECK_IMAGE: image,
    CHECK_BASE: base,
    CHECK_REDIS: redis,
    CHECK_COMPOSE: compose,
    CHECK_CGROUP: cgroup,
    DOCKER_HOST: '',
    DOCKER_CONTEXT: '',
  },
});

/** Where cgroups are mounted: one place for version 2, one per controller for version 1. */
function hierarchies() {
  const root = '/sys/fs/cgroup';
  if (!existsSync(root)) return [];
  return [
    root,
    ...readdirSync(root, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? join(root, e.name) : [])),
  ];
}

function removeEmptyTree(path) {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyTree(join(path, entry.name));
  }
  try {
    rmdirSync(path);
  } catch (error) {
    process.stderr.write(`${path} is left: ${error.message}\n`);
  }
}
