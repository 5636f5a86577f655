import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JoinedCaptures } from '../../src/model/packet-facts.ts';
import { type CapturePlace, joinCaptures } from '../../src/packets/join-captures.ts';
import { placeOf } from '../packets/several-places.ts';
import { insideLab, type Lab, type LabDefinition, startLab, whyOutside } from './network.ts';

const skipped = insideLab ? '' : ` (skipped: ${whyOutside})`;

/**
 * ```
 * client 10.1.0.2 ── 10.1.0.1 router 10.2.0.1 ── 10.2.0.2 server :8080
 * ```
 * The router translates both addresses (client:x → 10.1.0.1:80 becomes 10.2.0.1:y → 10.2.0.2:8080), and cuts what the
 * client's stack sends in one piece (GSO).
 */
const translated: LabDefinition = {
  name: 'translated',
  nodes: [
    {
      name: 'client',
      interfaces: [{ network: 'front', device: 'eth0', address: '10.1.0.2/24' }],
      routes: [['default', '10.1.0.1']],
    },
    {
      name: 'router',
      interfaces: [
        { network: 'front', device: 'eth0', address: '10.1.0.1/24' },
        { network: 'back', device: 'eth1', address: '10.2.0.1/24' },
      ],
      sysctls: { 'net.ipv4.ip_forward': '1' },
      setup: [
        'iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to 10.2.0.2:8080'.split(' '),
        'iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE'.split(' '),
        'ip link set eth1 gso_max_segs 1'.split(' '),
        'nft add table ip lossy'.split(' '),
        ['nft', 'add', 'chain', 'ip', 'lossy', 'fate', '{ type filter hook forward priority 10; }'],
      ],
    },
    {
      name: 'server',
      interfaces: [{ network: 'back', device: 'eth0', address: '10.2.0.2/24' }],
      routes: [['default', '10.2.0.1']],
    },
  ],
};

/** Reads to the end, then sends as much back. */
const answering = `require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
  let bytes = 0;
  socket.on('error', () => undefined);
  socket.on('data', (data) => (bytes += data.length));
  socket.on('end', () => socket.end(Buffer.alloc(bytes)));
}).listen(8080, () => console.log('ready'))`;
/** Sends that many bytes, one after the other as often as told, and waits for the answer. */
const asking = (bytes: number, times: number) => `const net = require('node:net');
const ask = (left) => {
  if (left === 0) return;
  const socket = net.connect(80, '10.1.0.1', () => socket.end(Buffer.alloc(${bytes})));
  socket.on('error', () => undefined);
  socket.on('data', () => undefined);
  socket.on('close', () => ask(left - 1));
};
ask(${times})`;

describe.skipIf(!insideLab)(`captures of a client, a router and a server${skipped}`, () => {
  let lab: Lab;
  let dir: string;
  let server: ChildProcess;
  const running: ChildProcess[] = [];

  function inside(node: string, argv: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', node, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    return child;
  }
  async function said(child: ChildProcess, stream: 'stdout' | 'stderr', words: RegExp): Promise<void> {
    let text = '';
    for await (const chunk of child[stream] ?? []) {
      text += String(chunk);
      if (words.test(text)) return;
    }
    throw new Error(`it ended without saying ${words}: ${text}`);
  }
  async function end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGINT');
    await exit;
  }

  const points = [
    ['client', 'client', 'eth0'],
    ['router-in', 'router', 'eth0'],
    ['router-out', 'router', 'eth1'],
    ['server', 'server', 'eth0'],
  ] as const;

  /** What the three nodes saw of what the client did. */
  async function captured(bytes: number, times: number): Promise<readonly CapturePlace[]> {
    const dumps = await Promise.all(
      points.map(async ([name, node, device]) => {
        const file = join(dir, `${name}.pcap`);
        const argv = ['tcpdump', '-i', device, '-s', '128', '-U', '-w', file, '--immediate-mode', '-Z', 'root', 'tcp'];
        const child = inside(node, argv);
        let stderr = '';
        child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
        await expect.poll(() => stderr, { timeout: 10_000 }).toContain('listening on');
        return { name, file, child, stderr: () => stderr };
      }),
    );
    const fromMs = Date.now();
    const client = inside('client', ['timeout', '20', process.execPath, '-e', asking(bytes, times)]);
    await once(client, 'exit');
    await quiet(dumps);
    const untilMs = Date.now();
    for (const { child } of dumps) await end(child);
    const places = await Promise.all(
      dumps.map(async ({ name, file }) => ({ ...placeOf(name, await readFile(file)), capturing: { fromMs, untilMs } })),
    );
    // Given in a wrong order, so that the right one has to be found.
    return places.toReversed();
  }

  /** Nothing is on its way any more, and what was has been written. */
  async function quiet(
    dumps: readonly { readonly child: ChildProcess; readonly stderr: () => string }[],
  ): Promise<void> {
    const open = 'state last-ack state closing state close-wait state fin-wait-1 state fin-wait-2';
    for (const node of ['client', 'server']) {
      const sockets = async () => (await lab.node(node).exec(['ss', '-Htn', ...open.split(' ')])).stdout;
      await expect.poll(sockets, { timeout: 20_000 }).toBe('');
    }
    for (const dump of dumps) {
      // tcpdump says its counts (tcpdump(8), SIGUSR1): it has written all that the kernel has for it.
      const unread = () => {
        const said = /(\d+) packets captured, (\d+) packets received by filter, (\d+) packets dropped/g;
        const [, written, received, dropped] = [...dump.stderr().matchAll(said)].at(-1) ?? [];
        dump.child.kill('SIGUSR1');
        return written === undefined ? -1 : Number(received) - Number(written) + Number(dropped);
      };
      await expect.poll(unread, { timeout: 10_000 }).toBe(0);
    }
  }

  async function rule(...words: readonly string[]): Promise<void> {
    await lab.apply([{ on: 'router', run: ['nft', 'add', 'rule', 'ip', 'lossy', 'fate', ...words] }]);
  }
  /** Packets that the rules counted, in their order. */
  async function counted(): Promise<readonly number[]> {
    const { stdout } = await lab.node('router').exec(['nft', 'list', 'chain', 'ip', 'lossy', 'fate']);
    return [...stdout.matchAll(/packets (\d+)/g)].map((match) => Number(match[1]));
  }

  beforeAll(async () => {
    lab = await startLab(translated);
    dir = await mkdtemp(join(tmpdir(), 'join-'));
    server = inside('server', [process.execPath, '-e', answering]);
    await said(server, 'stdout', /ready/);
  });
  afterAll(async () => {
    await Promise.all(running.map(end));
    await rm(dir, { recursive: true, force: true });
    await lab.stop();
  });

  function expectWay(joined: JoinedCaptures): void {
    expect(joined.places).toEqual(['client', 'router-in', 'router-out', 'server']);
    for (const { by, way, tuples } of joined.connections) {
      expect({ by, way }).toEqual({ by: 'nat', way: [0, 1, 2, 3] });
      expect(tuples.map((tuple) => tuple?.server.port)).toEqual([80, 80, 8080, 8080]);
    }
    // One kernel has one clock.
    for (const { offsetMs, uncertaintyMs } of joined.clocks) {
      expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs);
      expect(uncertaintyMs).toBeLessThan(5);
    }
  }
  const diedOf = (joined: JoinedCaptures, from: 'client' | 'server') =>
    joined.connections.flatMap(({ died }) => died.filter((group) => group.from === from));

  test('what the router drops died in the router: as many packets as it counted, each way', async () => {
    await lab.apply([{ on: 'router', run: ['nft', 'flush', 'chain', 'ip', 'lossy', 'fate'] }]);
    const often = ['tcp', 'flags', '&', 'syn', '==', '0', 'numgen', 'inc', 'mod', '6', '==', '3', 'counter', 'drop'];
    await rule('tcp', 'dport', '8080', ...often);
    await rule('tcp', 'sport', '8080', ...often);
    const joined = joinCaptures(await captured(60_000, 6));
    const [there = 0, back = 0] = await counted();
    expect(joined.connections).toHaveLength(6);
    expectWay(joined);
    expect(there).toBeGreaterThan(5);
    expect(back).toBeGreaterThan(5);
    const client = diedOf(joined, 'client');
    const answers = diedOf(joined, 'server');
    expect(client.map(({ after, before }) => [after, before])).toEqual(client.map(() => [1, 2]));
    expect(answers.map(({ after, before }) => [after, before])).toEqual(answers.map(() => [2, 1]));
    const packets = (groups: typeof client): number => groups.reduce((sum, group) => sum + group.packets, 0);
    expect(packets(client)).toBe(there);
    expect(packets(answers)).toBe(back);
    const fates = new Set(joined.connections.flatMap((one) => one.packets.map(({ fate }) => fate)));
    expect(fates).toEqual(new Set(['arrived', 'died']));
  });

  test('segments are cut on the way, and arrive', async () => {
    await lab.apply([{ on: 'router', run: ['nft', 'flush', 'chain', 'ip', 'lossy', 'fate'] }]);
    const places = await captured(200_000, 1);
    const joined = joinCaptures(places);
    expectWay(joined);
    const packets = (name: string): number => places.find((place) => place.name === name)?.capture.packets ?? 0;
    expect(packets('router-out')).toBeGreaterThan(packets('router-in') * 1.2);
    const [connection] = joined.connections;
    const largest = connection?.packets.reduce((most, { length }) => Math.max(most, length), 0) ?? 0;
    expect(largest).toBeGreaterThan(1460);
    expect(new Set(connection?.packets.map(({ fate }) => fate))).toEqual(new Set(['arrived']));
    expect(connection?.died).toEqual([]);
  });

  test('a RST that the router makes up appears on one side', async () => {
    await lab.apply([{ on: 'router', run: ['nft', 'flush', 'chain', 'ip', 'lossy', 'fate'] }]);
    await rule('tcp', 'dport', '8080', 'meta', 'length', '>', '500', 'counter', 'reject', 'with', 'tcp', 'reset');
    const joined = joinCaptures(await captured(3000, 1));
    expectWay(joined);
    const resets = joined.connections.flatMap(({ packets }) =>
      packets.filter(({ flags, fate }) => flags.includes('RST') && fate === 'appeared'),
    );
    expect(resets.length).toBeGreaterThan(0);
    for (const { from, seen } of resets) {
      expect(from).toBe('server');
      expect(seen.map((sight) => sight !== null)).toEqual([true, true, false, false]);
    }
    expect(diedOf(joined, 'client')).toMatchObject([{ after: 1, before: 2 }]);
  });
});
