import { spawn } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ServerChannel } from 'ssh2';
import { type FakeSshServer, type FakeSshServerOptions, startFakeSshServer } from './ssh-server.ts';

/** What a node says to one command. */
export interface NodeAnswer {
  readonly stdout?: string | Uint8Array;
  readonly stderr?: string;
  /** Exit status, default 0. */
  readonly code?: number;
  /** Says what there is to say and then never ends by itself. */
  readonly hangs?: true;
  /** Goes on printing `stdout` until so many bytes are sent or nobody listens any more. */
  readonly untilBytes?: number;
}

/**
 * One command, as the shell on the node would read it (`'tcpdump' '-i' …`, `'sudo' '-n' '-k' '--' …`) -> what the node says;
 * undefined: the command is run for real, on this machine, as this user.
 */
export type Behaviour = (command: string) => NodeAnswer | undefined;

/**
 * A node to ask: an SSH server in the test process that understands netcheck's start script and answers each command
 * as `behave` says. Commands that run for real run directly, without the script around them: the script has tests of
 * its own, and a run of forty commands is then quick.
 */
export function startSshNode(
  behave: Behaviour = () => undefined,
  options: Omit<FakeSshServerOptions, 'onExec'> = {},
): Promise<FakeSshServer> {
  return startFakeSshServer({
    ...options,
    onExec(channel) {
      let script = '';
      channel.on('error', () => undefined);
      const read = (chunk: Buffer): void => {
        script += chunk.toString('latin1');
        const mark = /echo "(netcheck-[0-9a-f]+) /.exec(script)?.[1];
        const command = /4>&-; ([\s\S]*) \)\nr=\$\?[\s\S]*\n\}\n$/.exec(script)?.[1];
        if (mark === undefined || command === undefined) return;
        channel.off('data', read);
        channel.resume();
        tellBoth(channel, `${mark} run`);
        void converse(channel, command, mark, behave);
      };
      channel.on('data', read);
    },
  });
}

function tellBoth(channel: ServerChannel, text: string): void {
  if (!channel.writable) return;
  channel.write(`${text}\n`);
  channel.stderr.write(`${text}\n`);
}

/** The steps of a batch: the end of the one before and `MARK N $w`, the command, its status into `r`. */
const batchStep =
  /t "(?:netcheck-[0-9a-f]+ \d+ end \$r\n)?netcheck-[0-9a-f]+ (\d+) \$w"\ncase \$w in run\|unseen\) ([\s\S]*?);; \*\) false;; esac\nr=\$\?/g;

async function converse(channel: ServerChannel, body: string, mark: string, behave: Behaviour): Promise<void> {
  const gone = new AbortController();
  // Every command of a batch listens.
  setMaxListeners(0, gone.signal);
  for (const event of ['end', 'close']) channel.once(event, () => gone.abort());
  const one = (command: string): Promise<number | string> => {
    const answer = behave(command);
    return answer === undefined ? runHere(channel, command, gone.signal) : say(channel, answer, gone.signal);
  };
  const steps = body.startsWith('t() {') ? [...body.matchAll(batchStep)] : [];
  let ended: number | string = 0;
  if (steps.length === 0) ended = await one(body);
  for (const [, number = '', command = ''] of steps) {
    const tool = /^'?([\w.-]+)'?/.exec(command)?.[1] ?? '';
    // A scripted answer stands for a tool that is there.
    const missing = behave(command) === undefined && !existsOnPath(tool);
    tellBoth(channel, `${mark} ${number} ${missing ? 'missing' : 'run'}`);
    const code = missing ? 1 : await one(command);
    if (gone.signal.aborted) break;
    tellBoth(channel, `${mark} ${number} end ${typeof code === 'number' ? code : 137}`);
  }
  if (!channel.writable) return;
  if (typeof ended === 'number') channel.exit(ended);
  else channel.exit(ended.replace('SIG', ''), false, '');
  channel.end();
}

const searchPath = `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/local/sbin:/usr/sbin:/sbin`;

function existsOnPath(tool: string): boolean {
  return searchPath.split(':').some((folder) => existsSync(path.join(folder, tool)));
}

/** Returns the exit status. */
async function say(
  channel: ServerChannel,
  { stdout = '', stderr = '', code = 0, hangs, untilBytes }: NodeAnswer,
  gone: AbortSignal,
): Promise<number> {
  const over = gone.aborted ? Promise.resolve() : once(gone, 'abort');
  if (stderr !== '') channel.stderr.write(stderr);
  const bytes = Buffer.from(stdout);
  let sent = 0;
  do {
    if (bytes.length > 0 && !channel.write(bytes)) await Promise.race([once(channel, 'drain'), over]);
    sent += bytes.length;
  } while (!gone.aborted && sent < (untilBytes ?? 0));
  if (hangs === true) await over;
  return code;
}

/** Returns the exit status, or the signal that ended it. */
function runHere(channel: ServerChannel, command: string, gone: AbortSignal): Promise<number | string> {
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], {
    detached: true,
    env: { LC_ALL: 'C', PATH: searchPath },
  });
  const end = (): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // it ended by itself
    }
  };
  child.stdin.on('error', () => undefined);
  child.stdin.end();
  if (gone.aborted) end();
  gone.addEventListener('abort', end, { once: true });
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'));
  });
}

/** What stands in netcheck.yaml under one node. */
export interface NodeEntry {
  readonly server: Pick<FakeSshServer, 'identityFile' | 'knownHostsFile'> & { readonly port: number };
  /** Further keys of the node, for example `sudo: true`. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/**
 * Writes a netcheck.yaml for servers on loopback into a new folder and returns that folder.
 *
 * @param rest  further top-level keys; `ssh` is joined with what the nodes need
 */
export async function writeConfig(
  nodes: Readonly<Record<string, NodeEntry>>,
  rest: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'netcheck-config-'));
  const servers = Object.values(nodes).map(({ server }) => server);
  const config = {
    ...rest,
    nodes: Object.fromEntries(
      Object.entries(nodes).map(([name, { server, more }]) => [
        name,
        { address: '127.0.0.1', port: server.port, ...more },
      ]),
    ),
    ssh: {
      agent: false,
      identity: [...new Set(servers.map(({ identityFile }) => identityFile))],
      knownHosts: [...new Set(servers.map(({ knownHostsFile }) => knownHostsFile))],
      ...(typeof rest['ssh'] === 'object' ? rest['ssh'] : {}),
    },
  };
  // JSON is YAML.
  await writeFile(path.join(folder, 'netcheck.yaml'), `${JSON.stringify(config, null, 2)}\n`);
  return folder;
}
