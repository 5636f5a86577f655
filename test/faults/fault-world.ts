import { EventEmitter, once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { readdirSync, watch } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import type { BuiltNetcheck, Running } from '../commands/built-netcheck.ts';
import { isAnswer } from '../contracts/real/bot-world.ts';
import { freePort, type LoopbackSshd, startLoopbackSshd } from '../contracts/real/loopback-sshd.ts';
import { type FakeSlack, startFakeSlack } from '../fakes/slack/fake-slack.ts';
import { writeConfig } from '../fakes/ssh-node.ts';
import type { Phase, SshdSettings } from './fault-schedule.ts';
import { type FaultRedis, startFaultRedis } from './fault-redis.ts';
import { type FaultyLink, startFaultyLink } from './faulty-link.ts';

/** The processes of a world, which faults end and bring back. */
export interface Crew {
  bot: Running;
  worker: Running;
}

/**
 * Real `netcheck` processes, a practice Slack, a real Redis, and two nodes: links of their own to one real sshd. It
 * stands in a lab (`test/lab/enter.mjs`): its mounts and processes end with that.
 */
export interface FaultWorld {
  readonly slack: FakeSlack;
  readonly redis: FaultRedis;
  readonly links: readonly FaultyLink[];
  readonly crew: Crew;
  /** The data directory of netcheck, a file system of its own. */
  readonly data: string;
  readonly auditLog: string;
  /** Emits each {@link Phase} as a question comes to it. */
  readonly phases: EventEmitter;
  /** Starts the one that has ended. */
  begin(who: keyof Crew): void;
  /** Nothing more fits on the disk, or nothing may be written; and back. */
  disk(how: 'full' | 'readOnly' | 'well'): Promise<void>;
  /** The wall clock of bot and worker. */
  clock(aheadMs: number): Promise<void>;
  sshd(settings: SshdSettings): Promise<void>;
  /** Somebody listens on the port of a question. */
  listen(port: number): Promise<void>;
  /** What is left on the node: processes of sessions, connections of sshd, files in its temporary directories. */
  leftOnNode(): Promise<readonly string[]>;
  /** The audit log and the saved runs so far are thrown away. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/** Marks every process of a session on the node of one world. */
const markName = 'NETCHECK_FAULT_WORLD';

export async function startFaultWorld(netcheck: BuiltNetcheck): Promise<FaultWorld> {
  const phases = new EventEmitter().setMaxListeners(0);
  const told = (phase: Phase): void => void phases.emit(phase);
  const mark = `${process.pid}-${Math.random().toString(36).slice(2)}`;
  const [slack, redis, sshd] = await Promise.all([
    startFakeSlack({ rates: 'off' }),
    startFaultRedis(),
    startLoopbackSshd({
      config: [],
      // A home of their own: the start-up files of the machine's accounts are neither run nor, where a session is killed
      // in the middle of one, left with what they had begun to write.
      prepare: `for d in /var/tmp /dev/shm '${homedir()}'; do mount -t tmpfs tmpfs "$d"; done`,
    }),
  ]);
  const captures = path.join(sshd.directory, 'captures');
  await writeFile(captures, '');
  await mkdir(path.join(sshd.directory, 'bin'));
  const tcpdump = path.join(sshd.directory, 'bin', 'tcpdump');
  await writeFile(tcpdump, `#!/bin/sh\necho >>${captures}\nPATH=/usr/sbin:/usr/bin exec tcpdump "$@"\n`);
  await chmod(tcpdump, 0o755);
  const configFile = path.join(sshd.directory, 'sshd_config');
  const base = `${await readFile(configFile, 'utf8')}SetEnv ${markName}=${mark} PATH=${path.dirname(tcpdump)}:/usr/bin:/bin\n`;
  await setSshd(sshd, configFile, base);
  const captured = watch(captures, () => told('capturing'));

  const links = await Promise.all([0, 1].map(() => startFaultyLink(sshd.port, () => told('connecting'))));
  const hostKey = (await readFile(sshd.knownHostsFile, 'utf8')).split(' ').slice(1).join(' ');
  await writeFile(sshd.knownHostsFile, links.map(({ port }) => `[127.0.0.1]:${port} ${hostKey}`).join(''));
  const [target, client] = links.map(({ port }) => ({ server: { ...sshd, port } }));
  const folder = await writeConfig(
    { 'node-50': target ?? { server: sshd }, 'node-12': client ?? { server: sshd } },
    {
      ssh: { user: 'root', timeouts: { connect: '4s', idle: '2s' } },
      defaults: { budget: { wall: '20s', window: '1s' } },
      slack: { httpPort: await freePort() },
    },
  );
  const data = path.join(folder, '.netcheck');
  const clockFile = path.join(folder, 'clock');
  await Promise.all([mkdir(data), writeFile(clockFile, '0')]);
  mount('-t', 'tmpfs', '-o', 'size=128m,mode=700', 'tmpfs', data);

  slack.onChange(({ what, message }) => {
    if (message.user !== slack.world.botUserId || (what !== 'posted' && what !== 'edited')) return;
    if (what === 'posted') told(isAnswer(message) ? 'answered' : 'shown');
    else if (!JSON.stringify(message.blocks).includes('netcheck_cancel')) told('ended');
  });

  const env = {
    REDIS_URL: redis.url,
    SLACK_BOT_TOKEN: slack.botToken,
    SLACK_APP_TOKEN: slack.appToken,
    SLACK_API_URL: slack.url,
    NETCHECK_FAULT_CLOCK: clockFile,
    NODE_OPTIONS: `--import ${pathToFileURL(path.join(import.meta.dirname, 'jumping-clock.mjs')).href}`,
  };
  const start = (who: keyof Crew): Running =>
    netcheck.start(who === 'bot' ? ['bot', '--no-worker'] : ['worker'], {
      cwd: folder,
      env,
      withinMs: 24 * 3_600_000,
    });
  const crew: Crew = { bot: start('bot'), worker: start('worker') };
  const filler = path.join(data, 'filler');
  const services: Server[] = [];
  let settings: SshdSettings = 'usual';

  return {
    slack,
    redis,
    links,
    crew,
    data,
    auditLog: path.join(data, 'audit.ndjson'),
    phases,
    begin(who) {
      crew[who] = start(who);
    },
    async disk(how) {
      if (how === 'full') {
        for (const bytes of [4 * 1024 * 1024, 4096])
          while (
            await writeFile(filler, Buffer.alloc(bytes), { flag: 'a' }).then(
              () => true,
              () => false,
            )
          );
        return;
      }
      // A file that is open for writing holds a remount up for a moment.
      for (let tries = 0; tries < 50; tries += 1) {
        if (spawnSync('mount', ['-o', how === 'readOnly' ? 'remount,ro' : 'remount,rw', data]).status === 0) break;
        await pause(20);
      }
      if (how === 'well') await rm(filler, { force: true });
    },
    clock: (aheadMs) => writeFile(clockFile, String(aheadMs)),
    async sshd(wanted) {
      if (wanted === settings) return;
      settings = wanted;
      const lines: Readonly<Record<SshdSettings, string>> = {
        usual: '',
        oneSession: 'MaxSessions 1\n',
        oneLogin: 'MaxStartups 1:100:1\n',
        // again with every second that passes
        rekeys: 'RekeyLimit 16K 1s\n',
      };
      await setSshd(sshd, configFile, lines[wanted] + base);
    },
    async listen(port) {
      const server = createServer((socket) => {
        told('probing');
        socket.on('error', () => undefined).end();
      });
      services.push(server);
      server.listen(port, '0.0.0.0');
      await once(server, 'listening');
    },
    async leftOnNode() {
      const processes = await processesWith(`${markName}=${mark}`);
      const root = `/proc/${sshd.pid}/root`;
      const files = spawnSync('find', [`${root}/var/tmp`, `${root}/dev/shm`, '-mindepth', '1'], { encoding: 'utf8' });
      const children = await readFile(`/proc/${sshd.pid}/task/${sshd.pid}/children`, 'utf8').catch(() => '');
      const sessions = await Promise.all(children.split(' ').filter(Boolean).map(lineOf));
      return [
        ...processes.map((line) => `still running on the node: ${line}`),
        ...files.stdout.split('\n').flatMap((file) => (file === '' ? [] : [`left on the node: ${file}`])),
        ...sessions.filter(Boolean).map((line) => `sshd still has a connection: ${line}`),
      ];
    },
    async forget() {
      for (const server of services.splice(0)) server.close();
      await Promise.all([
        rm(path.join(data, 'audit.ndjson'), { force: true }),
        rm(path.join(data, 'runs'), { recursive: true, force: true }),
      ]);
      slack.world.calls.length = 0;
    },
    async close() {
      captured.close();
      await Promise.all([crew.bot.stop('SIGKILL'), crew.worker.stop('SIGKILL')]);
      for (const server of services) server.close();
      await Promise.all([slack.close(), redis.stop(), ...links.map((link) => link.stop())]);
      await sshd.stop();
      spawnSync('umount', ['-l', data]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function mount(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${stderr}`);
}

/** sshd reads its file again; for connections that begin from now on. */
async function setSshd(sshd: LoopbackSshd, file: string, text: string): Promise<void> {
  const listening = (): number => sshd.log().split('Server listening on').length;
  const before = listening();
  await writeFile(file, text);
  process.kill(sshd.pid, 'SIGHUP');
  while (listening() === before) await pause(10);
}

/** Command lines of the processes with this in their environment. */
async function processesWith(setting: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (environment.split('\0').includes(setting)) found.push(await lineOf(pid));
  }
  return found.filter(Boolean);
}

/** Empty where the process has ended, also where nobody has asked how yet. */
async function lineOf(pid: string): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  return line.replaceAll('\0', ' ').trim().slice(0, 80);
}
