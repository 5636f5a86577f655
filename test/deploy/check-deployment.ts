import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { verdictMark } from '../../src/report/slack-blocks.ts';
import { version } from '../../src/version.ts';
import { type FakeMessage, startFakeSlack } from '../fakes/slack/fake-slack.ts';
import { command, type Executed, insideLab, startLab } from '../lab/network.ts';
import { reportZero } from '../lab/topologies.ts';

/**
 * What test/deploy/with-engine.mjs runs inside its namespaces: an engine of its own, the practice network of field
 * report 0, a practice Slack, and docker-compose.yml as it is. Ends with `N passed, N failed` and 1 when one failed.
 */
if (!insideLab) throw new Error('start it with: node test/deploy/with-engine.mjs');
const fromEnvironment = (name: string): string => {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is set by test/deploy/with-engine.mjs`);
  return value;
};
const folder = fromEnvironment('CHECK_FOLDER');
const image = fromEnvironment('CHECK_IMAGE');
const base = fromEnvironment('CHECK_BASE');
const redisImage = fromEnvironment('CHECK_REDIS');
const repository = fileURLToPath(new URL('../..', import.meta.url));
const question = 'node-50 port 1301 from node-12';
const engineSocket = 'unix:///run/netcheck-engine.sock';
const uid = 10_001;

const print = (text: string) => process.stdout.write(`${text}\n`);
const tally = { passed: 0, failed: 0 };

/** One promise of the deployment. `work` returns what was measured. */
async function check(what: string, work: () => Promise<string | undefined>): Promise<boolean> {
  const began = performance.now();
  try {
    const measured = await work();
    tally.passed += 1;
    print(`✓ ${what}${measured === undefined ? '' : `: ${measured}`} (${secondsSince(began)})`);
    return true;
  } catch (error) {
    tally.failed += 1;
    print(`✗ ${what} (${secondsSince(began)})\n  ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

const secondsSince = (began: number) => `${((performance.now() - began) / 1000).toFixed(1)} s`;

/** Asks again and again: for what no event tells. */
async function until<T>(what: string, look: () => Promise<T | undefined>, withinMs = 60_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1000} s`);
    await delay(200);
  }
}

async function must(argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await command(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${code}: ${stderr || stdout}`);
  return stdout.trim();
}

// ------------------------------------------------------------------------------------------------------------- engine

/** /sys is fresh in a lab; an engine wants the cgroups of the machine where they were. */
async function mountCgroups(): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [type = '', , options = ''] = right.split(' ');
    const place = left.split(' ')[4] ?? '';
    return type.startsWith('cgroup') && place.startsWith('/sys/fs/cgroup') ? [{ type, options, place }] : [];
  });
  if (mounts.every(({ place }) => place !== '/sys/fs/cgroup')) {
    await must(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/sys/fs/cgroup']);
  }
  for (const { type, options, place } of mounts) {
    await mkdir(place, { recursive: true });
    const named = options.split(',').filter((option) => !/^(rw|ro|nsdelegate|memory_recursiveprot)$/.test(option));
    await must(['mount', '-t', type, ...(named.length > 0 ? ['-o', named.join(',')] : []), 'cgroup', place]);
  }
}

async function startEngine(): Promise<() => Promise<void>> {
  await mountCgroups();
  // dockerd raises limits of the kernel's key store where they are low: not here.
  await must(['mount', '--bind', '/proc/sys/kernel', '/proc/sys/kernel']);
  await must(['mount', '-o', 'remount,bind,ro', '/proc/sys/kernel']);
  const engine = spawn(
    'dockerd',
    [
      ['--host', engineSocket],
      ['--data-root', join(folder, 'engine')],
      ['--exec-root', '/run/netcheck-engine'],
      ['--pidfile', '/run/netcheck-engine.pid'],
      ['--cgroup-parent', `/${fromEnvironment('CHECK_CGROUP')}`],
      ['--exec-opt', 'native.cgroupdriver=cgroupfs'],
    ].flat(),
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  for (const stream of [engine.stdout, engine.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-8000);
    });
  }
  const gone = once(engine, 'exit');
  await until('the engine', async () => {
    if (engine.exitCode !== null) throw new Error(`dockerd ended:\n${log}`);
    return (await docker('info')).code === 0 ? true : undefined;
  });
  return async () => {
    engine.kill('SIGTERM');
    await gone;
  };
}

const docker = (...argv: readonly string[]): Promise<Executed> => command(['docker', '--host', engineSocket, ...argv]);
const mustDocker = (...argv: readonly string[]): Promise<string> => must(['docker', '--host', engineSocket, ...argv]);
/** The image with nothing: no network, no writable file, no privilege. */
const bare = ['run', '--rm', '--network', 'none', '--read-only', '--cap-drop', 'ALL'];
const netcheck = (...argv: readonly string[]): Promise<Executed> => docker(...bare, image, ...argv);
const shell = (script: string): Promise<string> => mustDocker(...bare, '--entrypoint', 'sh', image, '-c', script);

// ------------------------------------------------------------------------------------------------------------ compose

const project = join(folder, 'project');
const composeArgv = [
  ...fromEnvironment('CHECK_COMPOSE').split(' '),
  '--project-name=netcheck',
  `--project-directory=${project}`,
  `--file=${join(repository, 'docker-compose.yml')}`,
];
const composeEnvironment = [
  'env',
  `DOCKER_HOST=${engineSocket}`,
  `NETCHECK_IMAGE=${image}`,
  `REDIS_IMAGE=${redisImage}`,
];
const tryCompose = (...argv: readonly string[]): Promise<Executed> =>
  command([...composeEnvironment, ...composeArgv, ...argv]);
const compose = (...argv: readonly string[]): Promise<string> => must([...composeEnvironment, ...composeArgv, ...argv]);
const containersOf = async (service: string): Promise<string[]> =>
  (await compose('ps', '-q', service)).split('\n').filter(Boolean);
const containerOf = async (service: string): Promise<string> => {
  const [id] = await containersOf(service);
  if (id === undefined) throw new Error(`${service} has no container`);
  return id;
};
const inspect = (container: string, format: string): Promise<string> =>
  mustDocker('inspect', '--format', format, container);
const healthy = (container: string): Promise<true> =>
  until(`${container} healthy`, async () =>
    (await inspect(container, '{{.State.Running}} {{.State.Health.Status}}')) === 'true healthy' ? true : undefined,
  );
const allHealthy = async (workers: number): Promise<void> => {
  const containers = [
    await containersOf('redis'),
    await containersOf('bot'),
    await until('workers', async () => {
      const found = await containersOf('worker');
      return found.length === workers ? found : undefined;
    }),
  ].flat();
  await Promise.all(containers.map(healthy));
};
const redisCli = async (...argv: readonly string[]): Promise<string> =>
  mustDocker('exec', await containerOf('redis'), 'redis-cli', ...argv);
/** As the kernel ends a process that ran out of memory: without a word, and past docker's "stopped on purpose". */
const killProcess = async (container: string): Promise<void> => {
  process.kill(Number(await inspect(container, '{{.State.Pid}}')), 'SIGKILL');
};

// -------------------------------------------------------------------------------------------------------------- Slack

const slack = await startFakeSlack();
const answersIn = (root: FakeMessage): FakeMessage[] =>
  slack.thread(root.ts).filter((message) => message.metadata?.['event_type'] === 'netcheck_answer');
const asked: FakeMessage[] = [];

/** Types the question; resolves with the root message that netcheck posted. */
async function ask(): Promise<FakeMessage> {
  const known = new Set(slack.world.messages().map(({ ts }) => ts));
  const delivery = slack.slash(question);
  const root = await slack.awaitMessage(
    (message) => !known.has(message.ts) && message.threadTs === undefined && message.user === slack.world.botUserId,
    30_000,
  );
  assert.equal(await delivery.ended, 'acked');
  asked.push(root);
  return root;
}

async function answerTo(root: FakeMessage, withinMs = 90_000): Promise<FakeMessage> {
  const answer = await slack.awaitMessage(
    (message) => message.threadTs === root.ts && message.metadata?.['event_type'] === 'netcheck_answer',
    withinMs,
  );
  if (!answer.text.startsWith(verdictMark.found)) throw new Error(`a fault was to be found, not: ${answer.text}`);
  return answer;
}

/** Workers with an SSH connection to a node: port 22 is 0016 in /proc/net/tcp, 01 is ESTABLISHED. */
async function connectedWorkers(): Promise<string[]> {
  const workers = await containersOf('worker');
  const tables = await Promise.all(workers.map((worker) => docker('exec', worker, 'cat', '/proc/net/tcp')));
  return workers.filter((_, i) => /^ *\d+: \S+ [0-9A-F]{8}:0016 01 /m.test(tables[i]?.stdout ?? ''));
}

/** Asks while no worker is connected to anything, so that the one that is connected then is in the middle of this run. */
async function askAndFindWorker(): Promise<{ root: FakeMessage; worker: string }> {
  await until('idle workers', async () => ((await connectedWorkers()).length === 0 ? true : undefined));
  const root = await ask();
  const worker = await until('a worker in the middle of a run', async () => (await connectedWorkers())[0]);
  assert.equal(answersIn(root).length, 0, 'answered before anything could happen to it');
  return { root, worker };
}

/** A practice Slack listens on loopback; containers reach it on the address of their bridge. */
async function offerSlackOn(address: string): Promise<string> {
  const port = Number(new URL(slack.url).port);
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    from.pipe(to).pipe(from);
    for (const socket of [from, to]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        from.destroy();
        to.destroy();
      });
    }
  });
  server.listen(0, address);
  await once(server, 'listening');
  const listening = server.address();
  assert(listening !== null && typeof listening === 'object');
  slack.world.origin = { http: `http://${address}:${listening.port}`, ws: `ws://${address}:${listening.port}` };
  return `${slack.world.origin.http}/api/`;
}

// -------------------------------------------------------------------------------------------------------------- checks

const began = performance.now();
const stopEngine = await startEngine();
const lab = await startLab(reportZero);
await mustDocker('load', '--input', fromEnvironment('CHECK_ARCHIVE'));
print(`engine and practice network up after ${secondsSince(began)}`);

await check('the image is small', async () => {
  const sizeOf = async (name: string) => Number(await mustDocker('image', 'inspect', '--format', '{{.Size}}', name));
  const [whole, below] = [await sizeOf(image), await sizeOf(base)];
  assert(whole - below < 40e6, `${((whole - below) / 1e6).toFixed(1)} MB over its base`);
  return `${(whole / 1e6).toFixed(1)} MB, of which ${((whole - below) / 1e6).toFixed(1)} MB are netcheck, its packages and ssh`;
});

await check('the image holds what runs, and nothing of the workshop', async () => {
  const found = await shell(
    'find /app \\( -name "*.ts" -o -name typescript -o -name vitest -o -name tsx -o -name ".npmrc" -o -name test \\) -not -path "*/node_modules/*/test" ; ls -d /root/.npm /home/netcheck/.npm /app/src /app/.git 2>/dev/null; true',
  );
  assert.equal(found, '');
  return undefined;
});

await check('it is not root and owns nothing that it runs', async () => {
  assert.equal(await shell('id -u; id -g'), `${uid}\n${uid}`);
  assert.equal(await mustDocker('image', 'inspect', '--format', '{{.Config.User}}', image), `${uid}:${uid}`);
  assert.equal(await shell('find /app /etc/netcheck /usr/local/bin -writable -not -type l'), '');
  return undefined;
});

await check('the commands work without network, writable files or privileges', async () => {
  const said = await netcheck('--version');
  assert.equal(said.stdout.trim(), `netcheck ${version}`);
  assert.match((await netcheck('--help')).stdout, /netcheck node-50 port 1301/);
  assert.equal((await netcheck('playbooks', 'lint')).code, 0);
  assert.match((await netcheck('rules', 'show', 'tw-recycle')).stdout, /^# `?tw-recycle/);
  const parsed = await must([
    'sh',
    '-c',
    `echo net.ipv4.ip_forward = 0 | docker --host ${engineSocket} ${bare.join(' ')} -i ${image} parse sysctl`,
  ]);
  assert.equal((JSON.parse(parsed) as { problems: unknown[] }).problems.length, 0);
  const times: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    const from = performance.now();
    await netcheck('--version');
    times.push(performance.now() - from);
  }
  return `a container for one command takes ${(Math.min(...times) / 1000).toFixed(2)} s`;
});

await mkdir(join(project, 'ssh'), { recursive: true });

await check('compose refuses to start without the token and without netcheck.yaml', async () => {
  const tokenless = await tryCompose('config');
  assert.notEqual(tokenless.code, 0);
  assert.match(tokenless.stderr, /put SLACK_BOT_TOKEN into \.env/);
  await writeFile(join(project, '.env'), 'SLACK_BOT_TOKEN=xoxb-none\n');
  const fileless = await tryCompose('up', '-d', '--no-build');
  assert.notEqual(fileless.code, 0);
  assert.match(fileless.stderr, /netcheck\.yaml/);
  await compose('down', '-v');
  return undefined;
});

const settings = parse(await readFile(lab.configFile, 'utf8')) as { ssh: Record<string, unknown> };
settings.ssh = {
  ...settings.ssh,
  identity: 'ssh/id_ed25519',
  knownHosts: 'ssh/known_hosts',
  // Connections end soon after a run, so that a connected worker is one at work.
  timeouts: { idle: '1s' },
};
await writeFile(join(project, 'netcheck.yaml'), stringify(settings));
await copyFile(lab.knownHostsFile, join(project, 'ssh/known_hosts'));
await copyFile(lab.identityFile, join(project, 'ssh/id_ed25519'));
await chmod(join(project, 'ssh/id_ed25519'), 0o400);
await compose('up', '-d', '--no-build', 'redis');
const gatewayFormat = '{{(index .IPAM.Config 0).Gateway}}';
const gateway = await mustDocker('network', 'inspect', '--format', gatewayFormat, 'netcheck_default');
await writeFile(
  join(project, '.env'),
  `SLACK_BOT_TOKEN=${slack.botToken}\nSLACK_APP_TOKEN=${slack.appToken}\nSLACK_API_URL=${await offerSlackOn(gateway)}\n`,
);

await check('a key that uid 10001 may not read is named, with what to do', async () => {
  const { stdout } = await tryCompose(
    'run',
    '--rm',
    '--no-deps',
    '-T',
    'bot',
    'doctor',
    '--config',
    '/etc/netcheck/netcheck.yaml',
    '--json',
  );
  const { checks } = JSON.parse(stdout) as { checks: { what: string; state: string; detail: string }[] };
  const node = checks.find(({ what, state }) => what.includes('node-50') && state === 'failed');
  assert.match(node?.detail ?? '', /id_ed25519/, JSON.stringify(checks, null, 1));
  return node?.detail;
});
await chown(join(project, 'ssh/id_ed25519'), uid, uid);

const up = await check('everything becomes healthy, with two workers', async () => {
  // The network stays: the practice Slack is on its gateway.
  await compose('rm', '--stop', '--force');
  const from = performance.now();
  await compose('up', '-d', '--no-build', '--scale', 'worker=2');
  const upAfter = secondsSince(from);
  await allHealthy(2);
  return `docker-compose up returned after ${upAfter}, all four containers healthy after ${secondsSince(from)}`;
});

if (!up) {
  print((await tryCompose('logs', '--no-color', '--tail', '60')).stdout);
  print('nothing else can be checked');
  process.exit(1);
}

await check('Redis keeps every run: append-only file, noeviction, a volume', async () => {
  assert.equal(await redisCli('config', 'get', 'appendonly'), 'appendonly\nyes');
  assert.equal(await redisCli('config', 'get', 'maxmemory-policy'), 'maxmemory-policy\nnoeviction');
  assert.match(await redisCli('info', 'persistence'), /^aof_enabled:1\r?$/m);
  assert.equal(await redisCli('config', 'get', 'dir'), 'dir\n/data');
  assert.match(
    await inspect(await containerOf('redis'), '{{range .Mounts}}{{.Type}} {{.Destination}};{{end}}'),
    /volume \/data;/,
  );
  assert.equal(
    await inspect(await containerOf('redis'), '{{len .NetworkSettings.Ports}} {{json .HostConfig.PortBindings}}').then(
      (text) => text.replace(/^\d+ /, ''),
    ),
    '{}',
  );
  return undefined;
});

await check('containers are confined', async () => {
  for (const container of [await containersOf('bot'), await containersOf('worker')].flat()) {
    assert.equal(
      await inspect(
        container,
        '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.Privileged}} {{.Config.User}}',
      ),
      `true [ALL] false ${uid}:${uid}`,
    );
    const write = await docker('exec', container, 'touch', '/app/x');
    assert.match(write.stderr, /Read-only file system/);
    assert.equal(
      await mustDocker('exec', container, 'sh', '-c', 'grep CapEff /proc/1/status'),
      'CapEff:\t0000000000000000',
    );
    assert.equal(
      await mustDocker(
        'exec',
        container,
        'sh',
        '-c',
        'touch /var/lib/netcheck/x /tmp/x && rm /var/lib/netcheck/x && echo yes',
      ),
      'yes',
    );
  }
  return undefined;
});

await check('netcheck doctor in the container finds everything in order', async () => {
  const { stdout } = await tryCompose(
    'exec',
    '-T',
    'bot',
    'netcheck',
    'doctor',
    '--config',
    '/etc/netcheck/netcheck.yaml',
    '--json',
  );
  const { checks, failed } = JSON.parse(stdout) as {
    checks: { what: string; state: string; detail: string }[];
    failed: number;
  };
  assert.equal(failed, 0, JSON.stringify(checks.filter(({ state }) => state === 'failed')));
  assert(checks.some(({ what, state }) => what.includes('node-50') && state === 'ok'));
  return `${checks.length} checks`;
});

let firstAnswer: FakeMessage | undefined;
await check(`/netcheck ${question} is answered in the thread`, async () => {
  const from = performance.now();
  firstAnswer = await answerTo(await ask());
  return `after ${secondsSince(from)}: ${firstAnswer.text.split('\n')[0]}`;
});

await check('the saved run replays to the same verdict, and its captures can be read, in the container', async () => {
  const worker = await containerOf('worker');
  const runs = (await mustDocker('exec', worker, 'ls', '/var/lib/netcheck/runs')).split('\n');
  const run = `/var/lib/netcheck/runs/${runs.at(-1)}`;
  const replay = await docker('exec', worker, 'netcheck', 'replay', run, '--json');
  const report = JSON.parse(replay.stdout) as { verdict: string; findings: { rule: string; verdict: string }[] };
  assert.equal(report.verdict, 'found');
  assert(report.findings.some(({ rule, verdict }) => rule === 'tw-recycle' && verdict === 'confirmed'));
  assert.equal(replay.code, 1);
  const capture = (await mustDocker('exec', worker, 'find', run, '-name', '*.pcap')).split('\n')[0] ?? '';
  const pcap = await docker('exec', worker, 'netcheck', 'pcap', capture, '--json');
  assert([0, 1, 2].includes(pcap.code), `netcheck pcap ended with ${pcap.code}: ${pcap.stderr}`);
  assert.equal(typeof JSON.parse(pcap.stdout), 'object');
  const bytes = Number((await mustDocker('exec', worker, 'du', '-sb', run)).split('\t')[0]);
  return `${(bytes / 1024).toFixed(0)} KiB on the volume`;
});

await check('a worker that is killed in the middle of a run leads to exactly one answer, and comes back', async () => {
  const { root, worker: victim } = await askAndFindWorker();
  await killProcess(victim);
  assert.equal(answersIn(root).length, 0, 'answered before the kill');
  const from = performance.now();
  await answerTo(root);
  const answered = secondsSince(from);
  await until('the restart', async () => ((await inspect(victim, '{{.RestartCount}}')) === '1' ? true : undefined));
  await healthy(victim);
  assert.equal(answersIn(root).length, 1);
  return `answered ${answered} after the kill`;
});

await check('a Redis that is killed loses no queued run', async () => {
  await compose('stop', 'worker');
  const roots: FakeMessage[] = [];
  for (let i = 0; i < 3; i += 1) roots.push(await ask());
  const waitingKey = (await redisCli('--scan', '--pattern', '*:runs:wait')).split('\n')[0] ?? '';
  const waiting = async () =>
    (await docker('exec', await containerOf('redis'), 'redis-cli', 'llen', waitingKey)).stdout.trim();
  await until('three queued runs', async () => ((await waiting()) === '3' ? true : undefined));
  const redis = await containerOf('redis');
  await killProcess(redis);
  await until('the restart', async () => ((await inspect(redis, '{{.RestartCount}}')) === '1' ? true : undefined));
  await healthy(redis);
  const kept = await waiting();
  await compose('start', 'worker');
  assert.equal(kept, '3');
  for (const root of roots) await answerTo(root, 120_000);
  for (const root of roots) assert.equal(answersIn(root).length, 1);
  return 'three runs waited, all three were answered once';
});

await check('a Redis that is restarted in the middle of a run costs no answer', async () => {
  const { root } = await askAndFindWorker();
  await compose('restart', 'redis');
  await answerTo(root, 120_000);
  await allHealthy(2);
  assert.equal(answersIn(root).length, 1);
  return undefined;
});

await check('an upgrade in the middle of a run (all bots and workers replaced) costs no answer', async () => {
  const { root, worker: old } = await askAndFindWorker();
  const from = performance.now();
  await compose('up', '-d', '--no-build', '--no-deps', '--force-recreate', '--scale', 'worker=2', 'bot', 'worker');
  const replaced = secondsSince(from);
  await allHealthy(2);
  assert(!(await containersOf('worker')).includes(old));
  await answerTo(root, 120_000);
  assert.equal(answersIn(root).length, 1);
  return `replaced in ${replaced}, healthy after ${secondsSince(from)}`;
});

await check('more workers come and go with --scale', async () => {
  await compose('up', '-d', '--no-build', '--scale', 'worker=4');
  await allHealthy(4);
  await compose('up', '-d', '--no-build', '--scale', 'worker=1');
  await allHealthy(1);
  await answerTo(await ask());
  return undefined;
});

await check('a worker says that it is ill while Redis is away, and well again afterwards', async () => {
  const probe = async () =>
    (
      await docker(
        'exec',
        await containerOf('worker'),
        'node',
        '-e',
        "fetch('http://127.0.0.1:3000/readyz').then(async (r) => console.log(r.status, await r.text()))",
      )
    ).stdout.trim();
  await compose('stop', 'redis');
  const ill = await until('503', async () => ((await probe()).startsWith('503') ? probe() : undefined));
  const refused = slack.slash(question);
  assert.equal(await refused.ended, 'acked');
  await slack.awaitChange((change) => change.onlyFor !== undefined && /Redis/.test(change.message.text), 15_000);
  await compose('start', 'redis');
  await until('200', async () => ((await probe()).startsWith('200') ? true : undefined));
  return ill;
});

await check('memory at rest', async () => {
  const stats = await mustDocker('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}} {{.CPUPerc}}');
  return stats.replaceAll('\n', '; ');
});

await check('no thread has two answers', async () => {
  // Longer than a lost run is looked for (14 s), so that a second answer would have come by now.
  await delay(16_000);
  for (const root of asked) assert.equal(answersIn(root).length, 1, `thread ${root.ts}`);
  return `${asked.length} questions, ${asked.length} answers`;
});

await check('a wrong bot token ends the bot, which is then restarted and never healthy', async () => {
  const before = await readFile(join(project, '.env'), 'utf8');
  await writeFile(join(project, '.env'), before.replace(slack.botToken, 'xoxb-wrong'));
  await compose('up', '-d', '--no-build', 'bot');
  const bot = await containerOf('bot');
  await until('a restart', async () => (Number(await inspect(bot, '{{.RestartCount}}')) > 0 ? true : undefined));
  const { stderr, stdout } = await docker('logs', bot);
  assert.match(stderr + stdout, /invalid_auth/);
  await writeFile(join(project, '.env'), before);
  await compose('up', '-d', '--no-build', 'bot');
  await healthy(await containerOf('bot'));
  return undefined;
});

await check('without Socket Mode, Slack reaches the bot by HTTP', async () => {
  const before = await readFile(join(project, '.env'), 'utf8');
  const secret = 'practice-signing-secret';
  await writeFile(
    join(project, '.env'),
    `${before.replace(/^SLACK_APP_TOKEN=.*\n/m, '')}SLACK_SIGNING_SECRET=${secret}\n`,
  );
  await compose('up', '-d', '--no-build', 'bot');
  const bot = await containerOf('bot');
  await healthy(bot);
  const address = await inspect(bot, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}');
  slack.deliverOverHttp(`http://${address}:3000/slack/events`, secret);
  await answerTo(await ask());
  slack.deliverOverHttp(`http://${address}:3000/slack/events`, 'another-secret');
  assert.equal(await slack.slash(question).ended, 'dispatch_failed');
  return undefined;
});

await check('docker-compose stop ends everything by itself, with status 0', async () => {
  const containers = [await containersOf('redis'), await containersOf('bot'), await containersOf('worker')].flat();
  const from = performance.now();
  await compose('stop');
  const took = secondsSince(from);
  for (const container of containers) {
    assert.equal(await inspect(container, '{{.State.ExitCode}}'), '0', await inspect(container, '{{.Name}}'));
  }
  return took;
});

await check('docker-compose down leaves the volumes, and nothing else', async () => {
  await compose('down');
  assert.equal(await mustDocker('ps', '-aq'), '');
  assert.deepEqual((await mustDocker('volume', 'ls', '-q')).split('\n').sort(), ['netcheck_redis', 'netcheck_runs']);
  return undefined;
});

if (tally.failed > 0) {
  print((await tryCompose('logs', '--no-color', '--tail', '60')).stdout);
}
await slack.close();
await lab.stop();
await stopEngine();
print(`${tally.passed} passed, ${tally.failed} failed, ${secondsSince(began)}`);
process.exit(tally.failed === 0 ? 0 : 1);
