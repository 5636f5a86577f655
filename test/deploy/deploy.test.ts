import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { Config } from '../../src/config.ts';

const root = path.join(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');

// ------------------------------------------------------------------------------------------------------- compose file

const Service = z.looseObject({
  image: z.string(),
  command: z.array(z.string()),
  restart: z.string().optional(),
  init: z.boolean().optional(),
  stop_grace_period: z.string().optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string().nullable()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
  volumes: z.array(z.union([z.string(), z.looseObject({ read_only: z.boolean().optional() })])).optional(),
  healthcheck: z
    .object({ test: z.array(z.string()) })
    .loose()
    .optional(),
  logging: z
    .object({ options: z.record(z.string(), z.string()) })
    .loose()
    .optional(),
});
const Compose = z.looseObject({ services: z.record(z.string(), Service) });

/** The longest that a worker takes to end: 25 s for its runs, 5 s for Slack, 5 s for Redis. */
const endingTakesSec = 35;

/** What the compose file promises and does not keep, one sentence each. */
function composeProblems(text: string): readonly string[] {
  const { services } = Compose.parse(parse(text, { merge: true }));
  const problems: string[] = [];
  const expected = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };

  for (const name of ['redis', 'bot', 'worker']) expected(name in services, `there is no service ${name}`);
  expected(!/xox[abps]-|xapp-/.test(text), 'a Slack token is in the file');
  for (const [name, service] of Object.entries(services)) {
    const { healthcheck } = service;
    expected(healthcheck !== undefined && healthcheck.test[0] !== 'NONE', `${name} has no health check`);
    expected(service.restart === 'unless-stopped', `${name} is not restarted`);
    expected(service.logging?.options['max-size'] !== undefined, `the log of ${name} grows without end`);
    expected(service.security_opt?.includes('no-new-privileges:true') === true, `${name} may gain privileges`);
    const foreign = service.image.includes('NETCHECK_IMAGE')
      ? undefined
      : service.image.replace(/^\$\{\w+:-(.*)\}$/, '$1');
    expected(foreign === undefined || /:\d/.test(foreign), `${name} is not pinned to a version`);
    expected(service['privileged'] === undefined && service['network_mode'] === undefined, `${name} is not confined`);
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      if (!/TOKEN|SECRET|PASSWORD|KEY/.test(variable)) continue;
      expected(
        value === null || /^\$\{\w+:(-|\?[^}]*)\}$/.test(value),
        `${variable} of ${name} is not from the environment`,
      );
    }
  }

  const { redis, bot, worker } = services;
  const option = (name: string) => redis?.command[redis.command.indexOf(name) + 1];
  expected(option('--appendonly') === 'yes', 'Redis has no append-only file');
  expected(option('--maxmemory-policy') === 'noeviction', 'Redis may evict queued runs');
  expected(
    redis?.volumes?.some((one) => typeof one === 'string' && /^\w+:\/data$/.test(one)) === true,
    'Redis has no volume for /data',
  );
  expected(redis?.['ports'] === undefined, 'Redis can be reached from outside');
  expected(redis?.healthcheck?.test.join(' ').includes('PONG') === true, 'Redis counts as healthy while it loads');

  expected(bot?.command.includes('--no-worker') === true, 'the bot works, too');
  for (const forbidden of ['container_name', 'ports', 'deploy', 'scale']) {
    expected(worker?.[forbidden] === undefined, `worker has ${forbidden}: it cannot be scaled`);
  }
  for (const [name, service] of Object.entries({ bot, worker })) {
    if (service === undefined) continue;
    expected(service.read_only === true, `${name} may write into its image`);
    expected(service.cap_drop?.includes('ALL') === true, `${name} keeps capabilities`);
    expected(service.init === true, `${name} has no init`);
    expected(service.depends_on?.['redis']?.condition === 'service_healthy', `${name} does not wait for Redis`);
    expected(
      Number.parseInt(service.stop_grace_period ?? '10s', 10) > endingTakesSec,
      `${name} is killed while it ends`,
    );
    expected(/redis:\/\/redis:6379/.test(service.environment?.['REDIS_URL'] ?? ''), `${name} has another Redis`);
    const mounts = (service.volumes ?? []).map((one) => JSON.stringify(one));
    expected(
      mounts.some((one) => one.includes(':/var/lib/netcheck')),
      `${name} has no volume for its data`,
    );
    for (const source of ['./netcheck.yaml', './ssh']) {
      const mount = service.volumes?.find((one) => typeof one === 'object' && one['source'] === source);
      expected(typeof mount === 'object' && mount.read_only === true, `${name} may change ${source}`);
    }
  }
  const asked = (name: string) =>
    /127\.0\.0\.1:(\d+)\/readyz/.exec(services[name]?.healthcheck?.test.join(' ') ?? '')?.[1];
  expected(
    asked('bot') === String(Config.parse({}).slack.httpPort),
    'the health check asks another port than the bot has',
  );
  expected(
    asked('worker') === worker?.environment?.['NETCHECK_HEALTH_PORT'],
    'the health check asks another port than the worker has',
  );
  return problems;
}

describe('docker-compose.yml', () => {
  const compose = read('docker-compose.yml');

  it('keeps its promises', () => {
    expect(composeProblems(compose)).toEqual([]);
  });

  it.each([
    ['- noeviction', '- allkeys-lru', 'Redis may evict queued runs'],
    ['      - "yes"', '      - "no"', 'Redis has no append-only file'],
    ['- redis:/data', '- other:/elsewhere', 'Redis has no volume for /data'],
    ['redis-cli ping | grep -q PONG', 'redis-cli ping', 'Redis counts as healthy while it loads'],
    ['    working_dir: /data', '    ports: ["6379:6379"]', 'Redis can be reached from outside'],
    ['redis:7-bookworm', 'redis:latest', 'redis is not pinned to a version'],
    ['${REDIS_IMAGE:-redis:7-bookworm}', 'redis', 'redis is not pinned to a version'],
    ['"--no-worker", ', '', 'the bot works, too'],
    [
      '    command: ["worker"',
      '    container_name: worker\n    command: ["worker"',
      'worker has container_name: it cannot be scaled',
    ],
    [
      '    command: ["worker"',
      '    ports: ["3000:3000"]\n    command: ["worker"',
      'worker has ports: it cannot be scaled',
    ],
    [
      '      NETCHECK_HEALTH_PORT: "3000"\n    healthcheck: *healthcheck',
      '      NETCHECK_HEALTH_PORT: "3000"',
      'worker has no health check',
    ],
    [
      'NETCHECK_HEALTH_PORT: "3000"',
      'NETCHECK_HEALTH_PORT: "3001"',
      'the health check asks another port than the worker has',
    ],
    ['127.0.0.1:3000/readyz', '127.0.0.1:80/readyz', 'the health check asks another port than the bot has'],
    ['${SLACK_APP_TOKEN:-}', '${SLACK_APP_TOKEN:-secret}', 'SLACK_APP_TOKEN of bot is not from the environment'],
    ['${SLACK_SIGNING_SECRET:-}', '0123456789abcdef', 'SLACK_SIGNING_SECRET of bot is not from the environment'],
    ['${SLACK_BOT_TOKEN:?put SLACK_BOT_TOKEN into .env}', 'xoxb-1', 'a Slack token is in the file'],
    ['  read_only: true\n', '', 'bot may write into its image'],
    ['cap_drop: [ALL]', 'cap_drop: [NET_RAW]', 'worker keeps capabilities'],
    ['  init: true\n', '', 'bot has no init'],
    ['stop_grace_period: 40s', 'stop_grace_period: 10s', 'worker is killed while it ends'],
    ['condition: service_healthy', 'condition: service_started', 'bot does not wait for Redis'],
    ['target: /etc/netcheck/ssh, read_only: true', 'target: /etc/netcheck/ssh', 'worker may change ./ssh'],
    ['    - runs:/var/lib/netcheck\n', '', 'worker has no volume for its data'],
    ['redis://redis:6379', 'redis://127.0.0.1:6379', 'bot has another Redis'],
    ['  restart: unless-stopped', '  restart: "no"', 'worker is not restarted'],
    ['  logging: *logging', '  privileged: true', 'worker is not confined'],
    ['  logging: *logging', '  privileged: true', 'the log of worker grows without end'],
    ['  security_opt: ["no-new-privileges:true"]\n  logging', '  logging', 'bot may gain privileges'],
    ['  worker:', '  helper:', 'there is no service worker'],
  ])('would not keep them with %j changed to %j', (from, to, problem) => {
    const changed = compose.replace(from, to);
    expect(changed).not.toBe(compose);
    expect(composeProblems(changed)).toContain(problem);
  });
});

// --------------------------------------------------------------------------------------------------------- Dockerfile

interface Stage {
  readonly name: string | undefined;
  readonly base: string;
  readonly instructions: readonly { readonly word: string; readonly rest: string }[];
}

function stagesOf(dockerfile: string): readonly Stage[] {
  const instructions = dockerfile
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .flatMap((line) => {
      const [, word, rest] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
      return word === undefined || rest === undefined ? [] : [{ word, rest }];
    });
  const stages: { name: string | undefined; base: string; instructions: { word: string; rest: string }[] }[] = [];
  for (const instruction of instructions) {
    const [, base, name] =
      instruction.word === 'FROM' ? (/^(\S+)(?:\s+AS\s+(\S+))?$/.exec(instruction.rest) ?? []) : [];
    if (base !== undefined) stages.push({ name, base, instructions: [] });
    else stages.at(-1)?.instructions.push(instruction);
  }
  return stages;
}

/** Paths of the build context that a Dockerfile copies. */
function copiedOf(stages: readonly Stage[]): readonly string[] {
  return stages
    .flatMap(({ instructions }) => instructions)
    .filter(({ word, rest }) => word === 'COPY' && !rest.startsWith('--from='))
    .flatMap(({ rest }) => rest.split(/\s+/).slice(0, -1));
}

/** What src/ reads beside itself while it runs: version.ts, load-playbooks.ts, commands/rules.ts. */
const neededAtRunTime = ['fonts', 'package.json', 'playbooks', 'docs/rules', 'LICENSE'];

/** What the Dockerfile promises and does not keep, one sentence each. */
function dockerfileProblems(dockerfile: string, ignored: string): readonly string[] {
  const stages = stagesOf(dockerfile);
  const first = stages[0];
  const last = stages.at(-1);
  if (first === undefined || last === undefined) return ['there is no stage'];
  const problems: string[] = [];
  const expected = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };
  const runs = (stage: Stage) =>
    stage.instructions.flatMap(({ word, rest }) => (word === 'RUN' ? [rest] : [])).join('\n');
  const restOf = (word: string) => last.instructions.filter((one) => one.word === word).map(({ rest }) => rest);

  expected(stages.length > 1, 'there is one stage only');
  expected(
    /npm ci --ignore-scripts/.test(runs(first)),
    'packages are not installed from the lock file, without their scripts',
  );
  expected(/npm run build.*npm prune --omit=dev/s.test(runs(first)), 'development packages stay in');
  expected(!/npm |tsc/.test(runs(last)), 'the last stage installs or builds something');
  expected(
    !/apt-get install/.test(runs(last)) || /rm -rf \/var\/lib\/apt\/lists/.test(runs(last)),
    'package lists stay in',
  );
  const fromBuild = restOf('COPY').filter((rest) => rest.startsWith('--from='));
  expected(
    fromBuild.every((rest) => /^--from=build \/app\/(node_modules|dist) \.\/\1$/.test(rest)) && fromBuild.length === 2,
    'something else than node_modules and dist is taken from the build',
  );
  const copied = copiedOf([last]);
  for (const one of neededAtRunTime) expected(copied.includes(one), `${one} is not in the image`);
  for (const one of copied) expected(neededAtRunTime.includes(one), `${one} is in the image`);
  expected(
    /^[1-9]\d{3,}:[1-9]\d{3,}$/.test(restOf('USER').at(-1) ?? ''),
    'it runs as root, or as nobody that Kubernetes can check',
  );
  expected(
    last.instructions.findLastIndex(({ word }) => word === 'RUN' || word === 'COPY') <
      last.instructions.findLastIndex(({ word }) => word === 'USER'),
    'it owns what it runs',
  );
  for (const word of ['ENTRYPOINT', 'CMD'])
    expected(restOf(word).at(-1)?.startsWith('["') === true, `a shell stands between ${word} and signals`);
  expected(!/TOKEN|SECRET|PASSWORD/.test(dockerfile), 'a secret may get into the image');
  expected(!/^ADD /m.test(dockerfile), 'something is fetched');

  const rules = ignored.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expected(rules[0] === '*', 'the build context is everything');
  const given = rules.slice(1).map((line) => line.replace(/^!/, ''));
  for (const one of copiedOf(stages)) expected(given.includes(one), `${one} is kept from the build context`);
  for (const one of given) expected(copiedOf(stages).includes(one), `${one} is in the build context for nothing`);
  return problems;
}

describe('Dockerfile', () => {
  const dockerfile = read('Dockerfile');
  const ignored = read('.dockerignore');

  it('keeps its promises', () => {
    expect(dockerfileProblems(dockerfile, ignored)).toEqual([]);
  });

  it('copies files that are there', () => {
    const copied = copiedOf(stagesOf(dockerfile));
    expect(copied.length).toBeGreaterThan(5);
    expect(copied.filter((one) => !existsSync(path.join(root, one)))).toEqual([]);
  });

  it('starts from the Node that package.json asks for', () => {
    const { engines } = z.object({ engines: z.object({ node: z.string() }) }).parse(JSON.parse(read('package.json')));
    expect(engines.node).toMatch(/^>=20\./);
    expect(dockerfile).toMatch(/^ARG BASE=node:20-/m);
    expect(stagesOf(dockerfile).map(({ base }) => base)).toEqual(['${BASE}', '${BASE}']);
  });

  it.each([
    ['FROM ${BASE}\n', 'ENV A=b\n', 'there is one stage only'],
    ['npm ci --ignore-scripts', 'npm install', 'packages are not installed from the lock file, without their scripts'],
    ['npm prune --omit=dev', 'npm dedupe', 'development packages stay in'],
    [
      'COPY package.json LICENSE ./',
      'RUN npm ci\nCOPY package.json LICENSE ./',
      'the last stage installs or builds something',
    ],
    ['rm -rf /var/lib/apt/lists/*', 'true', 'package lists stay in'],
    [
      'COPY --from=build /app/dist ./dist',
      'COPY --from=build /app ./',
      'something else than node_modules and dist is taken from the build',
    ],
    ['COPY docs/rules ./docs/rules\n', '', 'docs/rules is not in the image'],
    ['COPY package.json LICENSE ./', 'COPY package.json LICENSE src ./', 'src is in the image'],
    ['USER 10001:10001', 'USER 0:0', 'it runs as root, or as nobody that Kubernetes can check'],
    ['USER 10001:10001', 'USER netcheck', 'it runs as root, or as nobody that Kubernetes can check'],
    ['USER 10001:10001\n', '', 'it runs as root, or as nobody that Kubernetes can check'],
    ['USER 10001:10001', 'USER 10001:10001\nCOPY playbooks ./playbooks', 'it owns what it runs'],
    ['ENTRYPOINT ["netcheck"]', 'ENTRYPOINT netcheck', 'a shell stands between ENTRYPOINT and signals'],
    ['CMD ["bot",', 'CMD bot "', 'a shell stands between CMD and signals'],
    ['ENV NODE_ENV=production', 'ENV SLACK_BOT_TOKEN=x', 'a secret may get into the image'],
    ['COPY playbooks', 'ADD playbooks', 'something is fetched'],
    ['COPY src ./src', 'COPY src test ./', 'test is kept from the build context'],
  ])('would not keep them with %j changed to %j', (from, to, problem) => {
    const changed = dockerfile.replace(from, to);
    expect(changed).not.toBe(dockerfile);
    expect(dockerfileProblems(changed, ignored)).toContain(problem);
  });

  it.each([
    ['*\n', '', 'the build context is everything'],
    ['!src\n', '', 'src is kept from the build context'],
    ['!src\n', '!src\n!test\n', 'test is in the build context for nothing'],
  ])('would not keep them with %j of .dockerignore changed to %j', (from, to, problem) => {
    const changed = ignored.replace(from, to);
    expect(changed).not.toBe(ignored);
    expect(dockerfileProblems(dockerfile, changed)).toContain(problem);
  });
});

// ------------------------------------------------------------------------------------------------------------ the page

describe('docs/deploy.md', () => {
  const page = read('docs/deploy.md');
  const compose = read('docker-compose.yml');

  it('names every variable of the compose file and the image', () => {
    const variables = [...`${compose}\n${read('Dockerfile')}`.matchAll(/\b((?:SLACK|REDIS|NETCHECK)_[A-Z_]+)\b/g)].map(
      ([name]) => name,
    );
    expect(new Set(variables).size).toBeGreaterThan(6);
    expect([...new Set(variables)].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  it('gives keys to the user of the image', () => {
    const uid = /^USER (\d+):/m.exec(read('Dockerfile'))?.[1] ?? 'none';
    expect(page).toContain(`chown ${uid}:${uid}`);
  });

  it('links to files that are there', () => {
    const links = [...page.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link]) => link ?? '');
    expect(links.length).toBeGreaterThan(2);
    expect(links.filter((link) => !existsSync(path.join(root, 'docs', link)))).toEqual([]);
  });
});
