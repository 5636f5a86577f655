import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../../src/model/report.ts';
import { type BuiltNetcheck, buildNetcheck, type Finished, peakMemoryBytes } from '../../commands/built-netcheck.ts';
import { type NodeEntry, startSshNode, writeConfig } from '../../fakes/ssh-node.ts';
import { type FakeSshServer, startFakeSshServer } from '../../fakes/ssh-server.ts';
import { startTcpProxy } from '../../fakes/tcp-proxy.ts';
import { capture } from '../../packets/build-capture.ts';
import { startLoopbackSshd, whyNoSshd } from './loopback-sshd.ts';

const noSshd = whyNoSshd();
const noRoot = noSshd ?? (userInfo().uid === 0 ? undefined : 'needs root');
const because = (reason: string | undefined): string => (reason === undefined ? '' : ` (skipped: ${reason})`);

let netcheck: BuiltNetcheck;
let client: FakeSshServer;
/** What node-50 serves: in order, so that nothing but what was not seen keeps a report from being clear. */
let service: Server;
let port: number;

async function listen(): Promise<{ readonly service: Server; readonly port: number }> {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { service: server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

beforeAll(async () => {
  ({ service, port } = await listen());
  [netcheck, client] = await Promise.all([buildNetcheck(), startSshNode()]);
});
/** Everything that was started. The tests run side by side, so it all ends together. */
const cleanUp: (() => unknown)[] = [];
afterAll(async () => {
  await netcheck.remove();
  await Promise.all(cleanUp.map((end) => end()));
  await client.stop();
  service.close();
});

interface Asked extends Finished {
  readonly report: Report;
  readonly peakBytes: number;
}

/** `node-50 port N from node-12 --json` where node-50 is the bad one. Every run must end, with a report, inside its bounds. */
async function ask(
  target: NodeEntry,
  {
    from = { server: client },
    wall = '20s',
    targetPort = port,
    // generous: a busy machine is no bad node
    connect = '8s',
    keepalive = '5s',
  }: {
    readonly from?: NodeEntry;
    readonly wall?: string;
    readonly targetPort?: number;
    readonly connect?: string;
    readonly keepalive?: string;
  } = {},
): Promise<Asked> {
  const folder = await writeConfig(
    { 'node-50': target, 'node-12': from },
    { defaults: { budget: { wall, window: '2s' } }, ssh: { timeouts: { connect, keepalive } } },
  );
  cleanUp.push(() => rm(folder, { recursive: true }));
  const running = netcheck.start(['node-50', 'port', `${targetPort}`, 'from', 'node-12', '--json'], {
    cwd: folder,
    withinMs: 50_000,
  });
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakMemoryBytes(running.pid));
  }, 25);
  const finished = await running.finished;
  clearInterval(watch);
  expect(finished.signal, `it did not end:\n${finished.stderr}`).toBeNull();
  expect(finished.stderr).not.toMatch(/Warning|our own fault|\n\s+at /);
  return { ...finished, report: JSON.parse(finished.stdout) as Report, peakBytes };
}

/** Inconclusive, exit 2, nothing accused and nothing cleared of the node that could not be seen. */
function expectUndecided({ status, report }: Asked, reason: RegExp): void {
  expect(report.verdict).toBe('inconclusive');
  expect(status).toBe(2);
  expect([report.headline, ...report.unseen].join('\n')).toMatch(reason);
  expect(report.findings.filter(({ verdict }) => verdict === 'confirmed' || verdict === 'likely')).toEqual([]);
  for (const { rule, verdict, missing } of report.findings)
    if (verdict === 'unknown' || verdict === 'error') expect(missing, `${rule} says what it lacks`).not.toEqual([]);
}

/** Also: every rule that judges node-50 by its own facts is unknown, for this reason. */
function expectUnseen(asked: Asked, reason: RegExp): void {
  expectUndecided(asked, reason);
  const { report } = asked;
  expect(report.nodes.find(({ name }) => name === 'node-50')?.unseen).toMatch(reason);
  for (const rule of ['port-closed', 'loopback-only', 'fw-input-drop', 'accept-queue-overflow', 'syn-queue-overflow']) {
    const finding = report.findings.find((one) => one.rule === rule);
    expect(finding?.verdict, rule).toBe('unknown');
    expect(finding?.missing[0]?.why, rule).toMatch(reason);
  }
}

const started = async (server: Promise<FakeSshServer>): Promise<FakeSshServer> => {
  const running = await server;
  cleanUp.push(() => running.stop());
  return running;
};

describe.concurrent('a node that cannot be logged in to', () => {
  it('shows another host key than the recorded one: refused, with both fingerprints and what to do', async () => {
    const [node, other] = await Promise.all([started(startSshNode()), started(startSshNode())]);
    await writeFile(node.knownHostsFile, `[127.0.0.1]:${node.port} ssh-ed25519 ${other.hostKey.toString('base64')}\n`);
    const asked = await ask({ server: node });
    expectUnseen(asked, /HOST KEY OF node-50 .* HAS CHANGED.*ssh-keygen -R/);
    for (const key of [node, other]) expect(asked.report.headline).toContain(key.fingerprint);
    // It was shown nothing that could have been recorded by somebody in between.
    expect(node.children()).toEqual([]);
  });

  it('shows a host key that nobody recorded: refused, with its fingerprint and the line to add', async () => {
    const node = await started(startSshNode());
    await writeFile(node.knownHostsFile, '');
    const asked = await ask({ server: node });
    expectUnseen(asked, /host key of node-50 .* is not known.*compare it on the node/);
    expect(asked.report.headline).toContain(node.fingerprint);
    expect(asked.report.headline).toContain(`[127.0.0.1]:${node.port} ssh-ed25519 ${node.hostKey.toString('base64')}`);
  });

  it('refuses the key: says which keys were shown and as whom, and where the public key belongs', async () => {
    const node = await started(startSshNode(undefined, { refuseLogin: true }));
    const asked = await ask({ server: node });
    expectUnseen(asked, /refused the login of \S+ with key file .*identity.*authorized_keys/);
  });

  it('is not there: says that nobody listens', async () => {
    const node = await started(startSshNode());
    expectUnseen(await ask({ server: { ...node, port: 1 } }), /node-50 \(127\.0\.0\.1:1\) refused the TCP connection/);
  });

  it('takes the connection and then says nothing: given up after the time-out', async () => {
    const node = await started(startSshNode(undefined, { onSocket: () => 'handled' }));
    expectUnseen(
      await ask({ server: node }, { connect: '1s' }),
      /accepted the connection and then said nothing for 1 s/,
    );
  });

  it('hangs up at once, again and again: says so', async () => {
    const node = await started(
      startSshNode(undefined, {
        onSocket: (socket) => {
          socket.destroy();
          return 'handled';
        },
      }),
    );
    expectUnseen(await ask({ server: node }), /closed the connection before the SSH handshake/);
  });

  it('is the one to probe from: says that nothing was sent, and clears nothing', async () => {
    const node = await started(startSshNode());
    // A service of its own: the captures of the tests beside this one see each other's probes.
    const own = await listen();
    cleanUp.push(() => own.service.close());
    const asked = await ask({ server: node }, { from: { server: { ...client, port: 1 } }, targetPort: own.port });
    expectUndecided(asked, /could not look at node-12: .*refused the TCP connection/);
    expect(asked.report.unseen.join('\n')).toMatch(/no node could probe it/);
  });
});

describe.concurrent('a node that does not do what it is asked', () => {
  it('has an account without a shell: quotes what it said', async () => {
    const node = await started(
      startFakeSshServer({
        onExec(channel) {
          channel.stderr.write('This account is currently not available.\n');
          channel.exit(1);
          channel.end();
        },
      }),
    );
    expectUnseen(
      await ask({ server: node }),
      /did not run \/bin\/sh \(it said: This account is currently not available/,
    );
  });

  it('never answers a command: given up after the first, and the other node is still asked', async () => {
    const node = await started(startSshNode(() => ({ hangs: true })));
    const asked = await ask({ server: node });
    expectUnseen(asked, /sh did not finish within 10 s/);
    const probed = asked.report.evidence.filter((entry) => entry.node === 'node-12' && entry.kind === 'tcp-probe');
    expect(probed.map(({ exit }) => exit)).toEqual([{ how: 'exited', code: 0 }]);
  });

  it('never answers, and the time of the run is over: ends there, and says that', async () => {
    const node = await started(startSshNode(() => ({ hangs: true })));
    const asked = await ask({ server: node }, { wall: '5s' });
    expectUnseen(asked, /sh was stopped before it had finished/);
    expect(asked.report.unseen.join('\n')).toMatch(/the time for this run was over/);
  });

  it('hangs on some commands only: what they would have told is unknown, the rest is used', async () => {
    const node = await started(
      startSshNode((command) => (command.includes("'/proc/net/netstat'") ? { hangs: true } : undefined)),
    );
    const { report, status } = await ask({ server: node });
    expect([report.verdict, status]).toEqual(['inconclusive', 2]);
    const verdicts = new Map(report.findings.map(({ rule, verdict, missing }) => [rule, { verdict, missing }]));
    expect(verdicts.get('accept-queue-overflow')).toMatchObject({
      verdict: 'unknown',
      missing: [{ fact: 'counters', node: 'node-50', why: expect.anything() }],
    });
    expect(verdicts.get('port-closed')?.verdict).toBe('ruledOut');
  });

  it('prints a gigabyte for every command: bounded, named, and below 400 MB', async () => {
    const gigabyte = { stdout: Buffer.alloc(65_536, 'not what was asked for\n'), untilBytes: 1e9 };
    const node = await started(startSshNode((command) => (command.includes("'look'") ? undefined : gigabyte)));
    const asked = await ask({ server: node }, { wall: '40s' });
    expectUndecided(asked, /printed more than \d+ bytes; the rest was not read/);
    expect(asked.peakBytes).toBeGreaterThan(10e6);
    expect(asked.peakBytes).toBeLessThan(400e6);
  });

  it('prints binary for every command, the first look too: nothing is read out of it', async () => {
    const bytes = Uint8Array.from({ length: 65_000 }, (_, index) => (index * 7919 + (index >> 8) * 31) & 255);
    const node = await started(startSshNode(() => ({ stdout: bytes })));
    const asked = await ask({ server: node });
    expectUndecided(asked, /printed nothing usable/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(asked.report.headline + asked.report.unseen.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});

describe.concurrent('a connection that is lost in the middle of a run', () => {
  const listening = 'tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 160 bytes\n';
  const isCapture = (command: string): boolean => command.includes("'tcpdump'") && command.includes("'-w'");
  /** The client sends eight connects that nobody answers; `whenProbing` is what happens to node-50 meanwhile. */
  const unanswered = (whenProbing: () => void) =>
    startSshNode((command) => {
      const startMs = Date.now();
      if (isCapture(command)) {
        const sent = capture({ linkType: 276 });
        for (let connect = 0; connect < 8; connect++)
          for (const afterMs of [0, 1000, 3000])
            sent.syn({
              from: `127.0.0.1:${40_000 + connect}`,
              to: `127.0.0.1:${port}`,
              atMs: startMs + connect * 100 + afterMs,
              seq: 1000 + connect,
              tsval: 5000 + connect,
              direction: 'out',
            });
        const stderr = `${listening}24 packets captured\n24 packets received by filter\n0 packets dropped by kernel\n`;
        return { stdout: sent.bytes(), stderr, hangs: true };
      }
      if (!command.includes('/dev/tcp')) return undefined;
      whenProbing();
      const at = startMs / 1000;
      return { stdout: Array.from({ length: 8 }, (_, i) => `attempt ${i + 1} ${at} ${at + 5} 124 \n`).join('') };
    });
  const sawNothing = () =>
    startSshNode((command) =>
      isCapture(command) ? { stdout: capture({ linkType: 276 }).bytes(), stderr: listening, hangs: true } : undefined,
    );

  it('by a cut: packets that the target did not see any more are not "lost on the way"', async () => {
    const node = await started(sawNothing());
    const from = await started(unanswered(() => node.cut()));
    const asked = await ask({ server: node }, { from: { server: from } });
    expectUndecided(asked, /The connection to node-50 .* was lost while tcpdump ran/);
    expect(asked.report.findings.find(({ rule }) => rule === 'path-drop')).toMatchObject({
      verdict: 'unknown',
      missing: [{ fact: 'capture', node: 'node-50', why: expect.stringContaining('proves nothing') }],
    });
    expect(asked.report.unseen).toContain(
      '8 of 8 connects failed (8 without an answer), and no rule of this playbook explains it',
    );
  });

  it('by a network that swallows everything: noticed by the keepalive, and no false witness either', async () => {
    const node = await started(sawNothing());
    const proxy = await startTcpProxy(node.port);
    cleanUp.push(() => proxy.stop());
    await writeFile(node.knownHostsFile, `[127.0.0.1]:${proxy.port} ssh-ed25519 ${node.hostKey.toString('base64')}\n`);
    const from = await started(unanswered(() => proxy.freeze()));
    const asked = await ask({ server: { ...node, port: proxy.port } }, { from: { server: from }, keepalive: '500ms' });
    expectUndecided(asked, /The connection to node-50 .* was lost/);
    expect(asked.report.findings.find(({ rule }) => rule === 'path-drop')?.verdict).toBe('unknown');
  });

  it('before the probes: what had been read is judged, the rest is unknown', async () => {
    const node = await started(
      startSshNode((command) => {
        if (!isCapture(command)) return undefined;
        setImmediate(() => node.cut());
        return { stderr: listening, hangs: true };
      }),
    );
    expectUndecided(await ask({ server: node }), /The connection to node-50 .* was lost/);
  });
});

describe.concurrent('a run that a person stops', () => {
  it('with Ctrl-C is judged by what was read so far, and lets go of the nodes', async () => {
    const ends: Promise<unknown>[] = [];
    const node = await started(startSshNode());
    const from = await started(
      startSshNode((command) => (command.includes('/dev/tcp') ? { hangs: true } : undefined), {
        onSocket: (socket) => void ends.push(once(socket, 'close')),
      }),
    );
    const folder = await writeConfig({ 'node-50': { server: node }, 'node-12': { server: from } });
    cleanUp.push(() => rm(folder, { recursive: true }));
    const running = netcheck.start(['node-50', 'port', `${port}`, 'from', 'node-12', '--json'], { cwd: folder });
    await running.says('] probing');
    const { status, stdout, stderr } = await running.stop('SIGINT');
    expect(stderr).toMatch(/Stopping; what has been read so far is judged/);
    expect(status).toBe(2);
    const report = JSON.parse(stdout) as Report;
    expect(report.verdict).toBe('inconclusive');
    expect(report.unseen).toContain('the run was cancelled before everything was read');
    await Promise.all(ends);
  });
});

describe.skipIf(noRoot !== undefined)(`a real sshd${because(noRoot)}`, () => {
  it.concurrent('without tcpdump: says that it is not installed there, and what that leaves open', async () => {
    const sshd = await startLoopbackSshd({
      prepare: 'for f in /usr/bin/tcpdump /usr/sbin/tcpdump; do [ ! -e $f ] || mount --bind /dev/null $f; done',
    });
    cleanUp.push(() => sshd.stop());
    const { report, status } = await ask({ server: sshd }, { from: { server: sshd }, wall: '45s' });
    expect([report.verdict, status]).toEqual(['inconclusive', 2]);
    expect(report.findings.find(({ rule }) => rule === 'path-drop')).toMatchObject({
      verdict: 'unknown',
      missing: [
        { fact: 'capture', node: 'node-12', why: expect.stringMatching(/tcpdump is not installed|no packet capture/) },
      ],
    });
    expect(JSON.stringify(report.findings)).toContain('tcpdump is not installed');
  });

  const user = { name: 'netcheck-test', uid: 61_234 };
  it.concurrent('with sudo: true that sudo refuses: names the command and what to install', async () => {
    const sshd = await startLoopbackSshd({ users: [user], sudoers: 'root ALL=(ALL:ALL) ALL\n' });
    cleanUp.push(() => sshd.stop());
    const node = { server: sshd, more: { user: user.name, sudo: true } };
    const asked = await ask(node, { from: node, wall: '45s' });
    expectUndecided(asked, /sudo/);
    expect(asked.report.findings.find(({ rule }) => rule === 'fw-input-drop')).toMatchObject({
      verdict: 'unknown',
      missing: [{ fact: 'firewall', node: 'node-50', why: expect.stringMatching(/sudo .*refused.*netcheck sudoers/) }],
    });
  });

  it.concurrent('without root and without sudo: what needs root is unknown, what does not is used', async () => {
    const sshd = await startLoopbackSshd({ users: [user] });
    cleanUp.push(() => sshd.stop());
    const node = { server: sshd, more: { user: user.name } };
    const asked = await ask(node, { from: node, wall: '45s' });
    expectUndecided(asked, /tcpdump|iptables|nft/);
    const verdicts = new Map(asked.report.findings.map(({ rule, verdict }) => [rule, verdict]));
    expect(verdicts.get('fw-input-drop')).toBe('unknown');
    expect(verdicts.get('path-drop')).toBe('unknown');
    expect(verdicts.get('port-closed')).toBe('ruledOut');
  });
});
