import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createMemorySink } from '../../src/adapters/files/memory-sink.ts';
import { collectors } from '../../src/collectors/index.ts';
import { type Collected, collect } from '../../src/engine/collect.ts';
import { judge } from '../../src/engine/judge.ts';
import type { EvidenceSink, NodeSlots, NodeTransport, OnReach, ProgressEvent } from '../../src/engine/ports.ts';
import type { Exit } from '../../src/model/evidence.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget, Plan, type Role } from '../../src/model/plan.ts';
import { runFormat } from '../../src/model/run-record.ts';
import { Symptom } from '../../src/model/symptom.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';
import { createScriptedTransport, type ScriptedNode, type ScriptedReply } from '../fakes/transport.ts';
import { capture } from '../packets/build-capture.ts';

const listening = 'tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 160 bytes\n';
const seen = 'uid 0\ntool tcpdump /usr/sbin/tcpdump\ntool tcpdump:immediate-mode yes\nfile /proc/net/snmp\n';
const attempt = (n: number, status = 0): string => `attempt ${n} 1795234472.2 1795234472.3 ${status} \n`;

const service =
  'IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n';
/** Of a node that sends the port on to another one. */
const director: ScriptedReply = {
  stdout: `${seen}tool ip /usr/sbin/ip\ntool ipvsadm /usr/sbin/ipvsadm\nfile /proc/net/ip_vs\nmodule ip_vs loaded\n`,
};
const isLook = (argv: readonly string[]): boolean => argv.at(-1) === 'look';
const isProbe = (argv: readonly string[]): boolean => argv[0] === 'sh' && argv[3] === 'sh';
/** What happened, in words: the order of a run is its promise. */
function wordOf(argv: readonly string[]): string {
  if (isLook(argv)) return 'look';
  if (isProbe(argv)) return 'probe';
  return argv[0] === 'tcpdump' ? 'tcpdump' : (argv.at(-1) ?? '');
}

interface Script {
  readonly down?: Extract<Exit, { how: 'notStarted' }>;
  readonly tcpdump?: ScriptedReply;
  readonly probe?: ScriptedReply;
  readonly look?: ScriptedReply;
}

function run(
  scripts: Readonly<Record<string, Script>>,
  more: {
    readonly text?: Partial<{ protocol: 'tcp' | 'udp'; watchMs: number }>;
    readonly budget?: Partial<Budget>;
    /** Collectors beside the usual ones. */
    readonly late?: readonly string[];
    readonly sink?: EvidenceSink;
    readonly acquire?: NodeSlots['acquire'];
    readonly connect?: NodeTransport['connect'];
    /** Nodes that nobody asks about, by their names: the inventory knows them. */
    readonly others?: Readonly<Record<string, Script>>;
  } = {},
) {
  const started: string[] = [];
  const node = ([name, script]: [string, Script]): ScriptedNode => {
    const noted = (reply: ScriptedReply) => (argv: readonly string[]) => {
      started.push(`${name} ${wordOf(argv)}`);
      return reply;
    };
    return {
      name,
      ...(script.down === undefined ? {} : { down: script.down }),
      replies: [
        [isLook, noted(script.look ?? { stdout: seen })],
        [isProbe, noted(script.probe ?? { stdout: [attempt(1), attempt(2)] })],
        [
          ['tcpdump'],
          noted(script.tcpdump ?? { stderr: listening, stdout: capture({ linkType: 276 }).bytes(), hang: true }),
        ],
        [['ipvsadm', '-Ln'], noted({ stdout: `${service}TCP  10.0.0.1:1301 rr\n  -> 10.0.0.9:8080 Masq 1 0 0\n` })],
        [['ip', 'route', 'get'], noted({ stdout: '10.0.0.9 dev eth0 src 10.0.0.1 uid 0 \n    cache \n' })],
        [['ethtool'], noted({ stdout: '' })],
        [['cat'], noted({ stdout: 'Tcp: A\nTcp: 1\n' })],
      ],
    };
  };
  const transport = createScriptedTransport(Object.entries({ ...scripts, ...more.others }).map(node));
  const open = { connections: 0, slots: 0 };
  const events: ProgressEvent[] = [];
  const middles: { captures: { exit: Exit; bytes: number }[]; pending: string[] }[] = [];
  const stop = new AbortController();
  const names = Object.keys(scripts);
  const roleOf = (name: string): Role => (name === names[0] ? 'target' : 'client');
  const nodes = names.map((name, index) => {
    const address = `10.0.0.${index + 1}`;
    return { node: InventoryNode.parse({ name, address }), roles: [roleOf(name)], address, why: 'asked' };
  });
  const plan = Plan.parse({
    symptom: Symptom.parse({ text: 'x', target: { kind: 'node', node: names[0] }, port: 1301, ...more.text }),
    playbooks: ['port-check'],
    targetAddress: '10.0.0.1',
    externalClients: [],
    nodes,
    steps: names.flatMap((name) =>
      [
        'look',
        'capture',
        'counters',
        ...(more.late ?? []),
        ...(more.others === undefined ? [] : ['ipvs', 'server-route']),
        ...(roleOf(name) === 'client' ? ['tcp-probe'] : []),
      ].map((collector) => ({
        node: name,
        collector,
        params: collector === 'tcp-probe' ? { attempts: 2, timeoutSec: 1 } : {},
      })),
    ),
    rules: [{ rule: 'path-drop', params: {} }],
    onward: ['look', 'capture', 'counters'].map((collector) => ({ collector, params: {} })),
    budget: Budget.parse(more.budget ?? {}),
  });
  const done = collect(
    'run-1',
    plan,
    { collectors, parsers },
    {
      ownerOf: async (address) => {
        const [name] = Object.keys(more.others ?? {});
        return address === '10.0.0.9' && name !== undefined ? InventoryNode.parse({ name, address }) : null;
      },
      sink: more.sink ?? createMemorySink(),
      redact: (bytes) => bytes,
      now: Date.now,
      slots: {
        async acquire(name, options) {
          const slot = await (more.acquire ?? (async () => ({ release: async () => {} })))(name, options);
          open.slots++;
          return {
            release: async () => {
              open.slots--;
              await slot.release();
            },
          };
        },
      },
      transport: {
        close: async () => {},
        async connect(asked, options) {
          const connected = await (more.connect?.(asked, options) ?? transport.connect(asked, options));
          if (!connected.ok) return connected;
          open.connections++;
          return {
            ok: true,
            connection: {
              run: (command, runOptions) => connected.connection.run(command, runOptions),
              close: async () => {
                open.connections--;
                await connected.connection.close();
              },
            },
          };
        },
      },
    },
    {
      signal: stop.signal,
      onProgress: (event) => events.push(event),
      tellSoFar: (take) => {
        const { evidence, isPending } = take();
        const pending = [...collectors.values()].filter((one) => isPending(one)).map(({ when }) => when);
        middles.push({
          captures: evidence
            .filter(({ entry }) => entry.kind === 'pcap')
            .map(({ entry, stdout }) => ({ exit: entry.exit, bytes: stdout.length })),
          pending: [...new Set(pending)].sort(),
        });
      },
    },
  );
  const judged = (collected: Collected) =>
    judge(
      {
        format: runFormat,
        id: 'run-1',
        netcheck: '0',
        language: 'en',
        startedAtMs: 0,
        endedAtMs: 1,
        plan,
        clockOffsetsMs: collected.clockOffsetsMs,
        ended: collected.ended,
      },
      collected.evidence,
      { collectors, parsers, rules },
    );
  return { done: settle(done), started, transport, open, events, middles, stop, judged };
}

/** Lets the time of the run pass at once, until it has ended. */
async function settle<Value>(promise: Promise<Value>): Promise<Value> {
  const progress = { ended: false };
  const end = (): void => {
    progress.ended = true;
  };
  void promise.then(end, end);
  for (let step = 0; step < 20_000 && !progress.ended; step++) await vi.advanceTimersByTimeAsync(50);
  return promise;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Of the first command of a collector or kind. */
const exitOf = (collected: Collected, node: string, collector: string): Exit | undefined =>
  collected.evidence.find(
    ({ entry }) => entry.node === node && (entry.collector === collector || entry.kind === collector),
  )?.entry.exit;

describe('a node that the traffic goes on to', () => {
  const asked = { 'node-50': { look: director }, 'node-12': {} };

  it('joins once, and listens before anybody probes', async () => {
    const { done, started, open } = run(asked, { others: { 'node-9': {} } });
    const { plan } = await done;
    expect(plan.nodes.map(({ node, roles, server, joined }) => [node.name, roles, server, joined])).toEqual([
      ['node-50', ['target'], undefined, undefined],
      ['node-12', ['client'], undefined, undefined],
      ['node-9', ['forwarder'], { address: '10.0.0.9', port: 8080 }, true],
    ]);
    expect(started.filter((what) => what === 'node-9 look')).toHaveLength(1);
    expect(started.indexOf('node-9 tcpdump')).toBeGreaterThan(-1);
    expect(started.indexOf('node-9 tcpdump')).toBeLessThan(started.indexOf('node-12 probe'));
    expect(open).toEqual({ connections: 0, slots: 0 });
  });

  it.each<[string, Script]>([
    ['cannot be reached', { down: { how: 'notStarted', why: 'unreachable', message: 'connection refused' } }],
    ['does not answer', { look: { exit: { how: 'timedOut', afterMs: 10_000 } } }],
  ])('is left out where it %s: the report is the same as without it', async (_how, script) => {
    const without = run(asked, { others: {} });
    const alone = without.judged(await without.done);
    const { done, open, judged } = run(asked, { others: { 'node-9': script } });
    const collected = await done;
    expect(collected.plan.nodes.map(({ node }) => node.name)).toEqual(['node-50', 'node-12']);
    const { verdict, findings, unseen } = judged(collected);
    expect({ verdict, findings, unseen }).toEqual({
      verdict: alone.verdict,
      findings: alone.findings,
      unseen: alone.unseen,
    });
    expect(open).toEqual({ connections: 0, slots: 0 });
  });
});

describe('the order of a run', () => {
  it('looks, listens, counts, probes and counts again', async () => {
    const { done, started, events, open } = run({ 'node-50': {}, 'node-12': {} });
    expect((await done).ended).toBe('complete');
    const words = started.map((one) => one.split(' ')[1] ?? '');
    const first = (word: string): number => words.indexOf(word);
    const last = (word: string): number => words.lastIndexOf(word);
    expect(last('look')).toBeLessThan(first('tcpdump'));
    expect(last('tcpdump')).toBeLessThan(first('/proc/net/snmp'));
    expect(words.filter((word) => word === '/proc/net/snmp')).toHaveLength(4);
    const probe = first('probe');
    expect(words.slice(0, probe).filter((word) => word === '/proc/net/snmp')).toHaveLength(2);
    expect(words.slice(probe).filter((word) => word === '/proc/net/snmp')).toHaveLength(2);
    expect(open).toEqual({ connections: 0, slots: 0 });
    expect(events.flatMap((event) => (event.type === 'phase' ? [event.phase] : []))).toEqual([
      'connect',
      'look',
      'capture',
      'before',
      'probe',
      'after',
    ]);
  });

  it('does not probe before every capture listens', async () => {
    const listens = { stderr: listening, delayMs: 3000, hang: true };
    const { done, events } = run({ 'node-50': { tcpdump: listens }, 'node-12': {} });
    await done;
    const at = (phase: string): number =>
      events.flatMap((event) => (event.type === 'phase' && event.phase === phase ? [event.atMs] : []))[0] ?? Number.NaN;
    expect(at('before') - at('capture')).toBeGreaterThanOrEqual(3000);
  });

  it('writes down where the time went, for the run and for each node', async () => {
    const listens = { stderr: listening, delayMs: 3000, hang: true };
    const { done } = run({ 'node-50': { tcpdump: listens }, 'node-12': {} });
    const { phases } = await done;
    const lengthOf = (phase: string, node?: string): number =>
      phases
        .filter((span) => span.phase === phase && span.node === node)
        .reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
    expect(lengthOf('capture')).toBeGreaterThanOrEqual(3000);
    expect(lengthOf('capture', 'node-50')).toBeGreaterThanOrEqual(3000);
    expect(lengthOf('capture', 'node-12')).toBeLessThan(3000);
    const whole = phases.filter(({ node }) => node === undefined);
    expect(whole.map(({ phase }) => phase)).toEqual(['connect', 'look', 'capture', 'before', 'probe', 'after']);
    // One after the other, without a gap.
    expect(whole.slice(1).map(({ startMs }) => startMs)).toEqual(whole.slice(0, -1).map(({ endMs }) => endMs));
    for (const node of ['node-50', 'node-12'])
      expect(phases.filter((span) => span.node === node).map(({ phase }) => phase)).toEqual([
        'wait',
        'connect',
        'look',
        'capture',
      ]);
  });

  it('ends the part of a node that cannot be reached when that is known', async () => {
    const down = { how: 'notStarted', why: 'unreachable', message: 'node-12: no route' } as const;
    const { phases } = await run({
      'node-50': { tcpdump: { stderr: listening, delayMs: 3000, hang: true } },
      'node-12': { down },
    }).done;
    const { startMs, endMs } = phases.find(({ node, phase }) => node === 'node-12' && phase === 'connect') ?? {
      startMs: 0,
      endMs: Number.NaN,
    };
    expect(endMs - startMs).toBeLessThan(1000);
  });

  it('gives a capture up that does not listen in time: what it misses must not prove that packets were lost', async () => {
    const late = { stderr: listening, stdout: capture({ linkType: 276 }).bytes(), delayMs: 9000, hang: true };
    const ran = run({ 'node-50': { tcpdump: late }, 'node-12': {} });
    const collected = await ran.done;
    expect(exitOf(collected, 'node-50', 'capture')).toEqual({ how: 'timedOut', afterMs: 8000 });
    expect(ran.judged(collected).verdict).not.toBe('clear');
    expect(ran.started.some((one) => one.endsWith('probe'))).toBe(true);
  });

  it('counts probes whose lines come in pieces', async () => {
    const text = attempt(1) + attempt(2, 1);
    const { done, events } = run({
      'node-50': {},
      'node-12': { probe: { stdout: [text.slice(0, 20), text.slice(20, 50), text.slice(50)] } },
    });
    await done;
    expect(events.findLast((event) => event.type === 'probe')).toEqual({
      type: 'probe',
      node: 'node-12',
      done: 2,
      total: 2,
      failed: 1,
    });
  });
});

describe('a run in a world that misbehaves', () => {
  it('goes on without a node that cannot be reached, and is not clear', async () => {
    const down = { how: 'notStarted', why: 'unreachable', message: 'node-12: no route' } as const;
    const ran = run({ 'node-50': {}, 'node-12': { down } });
    const collected = await ran.done;
    expect(ran.events).toContainEqual({ type: 'unreachable', node: 'node-12', why: 'node-12: no route' });
    expect(exitOf(collected, 'node-50', 'proc-net-snmp')).toEqual({ how: 'exited', code: 0 });
    expect(ran.judged(collected).verdict).toBe('inconclusive');
    expect(ran.open).toEqual({ connections: 0, slots: 0 });
  });

  it.each([
    ['cannot be made', { probe: { stderr: 'no bash', exit: 127 } }, {}],
    ['are not made for UDP', {}, { protocol: 'udp' as const }],
  ])('watches for the whole window where probes %s', async (_title, client, text) => {
    const { done, events } = run({ 'node-50': {}, 'node-12': client }, { text });
    await done;
    const at = (phase: string): number =>
      events.flatMap((event) => (event.type === 'phase' && event.phase === phase ? [event.atMs] : []))[0] ?? Number.NaN;
    expect(at('after') - at('probe')).toBeGreaterThanOrEqual(12_000);
  });

  it('ends early where nobody can probe and failures were seen', async () => {
    const packets = capture({ linkType: 276 });
    for (let port = 40_000; port < 40_003; port++)
      for (const afterMs of [1, 1000, 2000])
        packets.syn({ from: `10.0.0.9:${port}`, to: '10.0.0.1:1301', seq: port, afterMs, direction: 'in' });
    const { done } = run({ 'node-50': { tcpdump: { stderr: listening, stdout: packets.bytes(), hang: true } } });
    expect((await done).ended).toBe('early');
  });

  it('keeps what was read when it is cancelled', async () => {
    const ran = run({ 'node-50': {}, 'node-12': { probe: { stdout: attempt(1), hang: true } } });
    await vi.advanceTimersByTimeAsync(500);
    ran.stop.abort('cancelled');
    const collected = await ran.done;
    expect(collected.ended).toBe('cancelled');
    expect(exitOf(collected, 'node-50', 'proc-net-snmp')).toEqual({ how: 'exited', code: 0 });
    expect(exitOf(collected, 'node-12', 'tcp-probe')).toEqual({ how: 'stopped', why: 'cancelled' });
    expect(ran.judged(collected).verdict).toBe('inconclusive');
    expect(ran.open).toEqual({ connections: 0, slots: 0 });
  });

  it('ends with its budget and judges what there is', async () => {
    const ran = run({ 'node-50': {}, 'node-12': { probe: { hang: true } } }, { budget: { wallMs: 2000 } });
    const collected = await ran.done;
    expect(collected.ended).toBe('budget');
    expect(ran.judged(collected).verdict).toBe('inconclusive');
    expect(ran.open).toEqual({ connections: 0, slots: 0 });
  });

  it('says that it waits for a busy node, and then goes on without it', async () => {
    const ran = run(
      { 'node-50': {}, 'node-12': {} },
      {
        acquire: (node, { signal }) =>
          node === 'node-50'
            ? Promise.resolve({ release: async () => {} })
            : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
      },
    );
    const collected = await ran.done;
    expect(ran.events).toContainEqual({ type: 'waiting', node: 'node-12' });
    expect(exitOf(collected, 'node-12', 'connect')).toMatchObject({ how: 'notStarted', why: 'budget' });
    expect(exitOf(collected, 'node-50', 'proc-net-snmp')).toEqual({ how: 'exited', code: 0 });
  });
});

describe('a node that shows no sign of life', () => {
  type Connecting = (onReach: OnReach, signal: AbortSignal) => Promise<boolean>;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const whenAborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const lateTo = (scripts: Readonly<Record<string, Script>>, connecting: Connecting) => {
    const sink = createMemorySink();
    const there = createScriptedTransport([
      {
        name: 'node-50',
        replies: [
          [isLook, { stdout: seen }],
          [['tcpdump'], { stderr: listening, hang: true }],
          [['cat'], { stdout: 'Tcp: A\nTcp: 1\n' }],
        ],
      },
    ]);
    const usual: { transport?: NodeTransport } = {};
    const ran = run(scripts, {
      sink,
      connect: async (node, options) => {
        if (node.name !== 'node-50')
          return usual.transport?.connect(node, options) ?? Promise.reject(new Error('none'));
        const exit = { how: 'notStarted', why: 'budget', message: 'node-50: given up' } as const;
        return (await connecting(options.onReach ?? (() => undefined), options.signal))
          ? there.connect(node, options)
          : { ok: false, exit };
      },
    });
    usual.transport = ran.transport;
    return { ...ran, sink };
  };
  const at = (events: readonly ProgressEvent[], phase: string): readonly number[] =>
    events.flatMap((event) => (event.type === 'phase' && event.phase === phase ? [event.atMs] : []));

  it('is given up while the others do their part, not before and not after', async () => {
    const beganAtMs = Date.now();
    const { done, events, started, open, sink } = lateTo({ 'node-50': {}, 'node-12': {} }, async (onReach, signal) => {
      onReach('knocking');
      await whenAborted(signal);
      return false;
    });
    const collected = await done;
    expect(at(events, 'probe')[0]).toBeLessThan(beganAtMs + 1000);
    expect(Date.now() - beganAtMs).toBeGreaterThanOrEqual(3200);
    expect(Date.now() - beganAtMs).toBeLessThan(4000);
    expect(exitOf(collected, 'node-50', 'connect')).toMatchObject({
      how: 'notStarted',
      why: 'timeout',
      message: expect.stringMatching(/^node-50 \(10\.0\.0\.1\) showed no sign of life for 3\.\d s/) as string,
    });
    expect(started.filter((one) => one === 'node-12 probe')).toHaveLength(1);
    expect(collected.ended).toBe('complete');
    // what was read meanwhile is written as if there had been no doubt
    const index = sink.files().find(({ path }) => path === 'evidence/node-12/index.json');
    const written = JSON.parse(Buffer.from(index?.bytes ?? []).toString()) as { id: string }[];
    expect(written).toEqual(
      collected.evidence.filter(({ entry }) => entry.node === 'node-12').map(({ entry }) => entry),
    );
    expect(open).toEqual({ connections: 0, slots: 0 });
  });

  it('is waited for when it answers late, and everybody begins again with it', async () => {
    const { done, events, started, open, middles, sink } = lateTo(
      { 'node-50': {}, 'node-12': { probe: { stdout: [attempt(1), attempt(2)], delayMs: 1500 } } },
      async (onReach) => {
        onReach('knocking');
        await pause(1200);
        onReach('answered');
        // a login that takes longer than silence may
        await pause(5000);
        return true;
      },
    );
    const collected = await done;
    expect(started.filter((one) => one === 'node-12 probe')).toHaveLength(2);
    const probes = collected.evidence.filter(({ entry }) => entry.collector === 'tcp-probe');
    expect(probes).toHaveLength(1);
    expect(probes[0]?.entry.exit).toEqual({ how: 'exited', code: 0 });
    expect(started.indexOf('node-12 tcpdump')).toBeGreaterThan(-1);
    expect(exitOf(collected, 'node-50', 'proc-net-snmp')).toEqual({ how: 'exited', code: 0 });
    expect(at(events, 'probe')).toHaveLength(2);
    expect((at(events, 'probe')[1] ?? 0) - (at(events, 'probe')[0] ?? 0)).toBeGreaterThanOrEqual(5000);
    const ids = collected.evidence
      .filter(({ entry }) => entry.node === 'node-12')
      .map(({ entry }) => entry.id.slice(0, 2));
    expect([...ids].sort()).toEqual(ids.map((_id, index) => String(index + 1).padStart(2, '0')));
    const files = sink
      .files()
      .filter(({ path }) => path.startsWith('evidence/node-12/') && path.includes('tcp-probe.out'));
    expect(files).toHaveLength(1);
    // nothing is told of what was read without it
    expect(middles.every(({ pending }) => pending.length > 0)).toBe(true);
    expect(middles.filter(({ pending }) => pending.includes('probe') && pending.includes('delta'))).not.toHaveLength(0);
    expect(open).toEqual({ connections: 0, slots: 0 });
  });

  it('alone is waited for as long as the transport does', async () => {
    const beganAtMs = Date.now();
    const { done } = lateTo({ 'node-50': {} }, async (onReach) => {
      onReach('knocking');
      await pause(8000);
      return false;
    });
    expect(exitOf(await done, 'node-50', 'connect')).toMatchObject({ message: 'node-50: given up' });
    expect(Date.now() - beganAtMs).toBeGreaterThanOrEqual(8000);
  });

  it('keeps what the others read when the run is cancelled meanwhile', async () => {
    const ran = lateTo(
      { 'node-50': {}, 'node-12': { probe: { stdout: attempt(1), hang: true } } },
      async (onReach, signal) => {
        onReach('knocking');
        await whenAborted(signal);
        return false;
      },
    );
    await vi.advanceTimersByTimeAsync(1500);
    ran.stop.abort('cancelled');
    const collected = await ran.done;
    expect(collected.ended).toBe('cancelled');
    expect(exitOf(collected, 'node-12', 'proc-net-snmp')).toEqual({ how: 'exited', code: 0 });
    expect(exitOf(collected, 'node-50', 'connect')).toMatchObject({ how: 'notStarted' });
    expect(ran.open).toEqual({ connections: 0, slots: 0 });
  });
});

describe('a fault of our own', () => {
  it.each(['acquire', 'connect'] as const)('closes what is open when %s fails on another node', async (part) => {
    const fault = new Error('our fault');
    const ok = createScriptedTransport([{ name: 'node-50', replies: [] }]);
    const ran = run(
      { 'node-50': {}, 'node-12': {} },
      part === 'acquire'
        ? { acquire: async (node) => (node === 'node-12' ? Promise.reject(fault) : { release: async () => {} }) }
        : {
            connect: (node, options) => (node.name === 'node-12' ? Promise.reject(fault) : ok.connect(node, options)),
          },
    );
    await expect(ran.done).rejects.toBe(fault);
    expect(ran.open).toEqual({ connections: 0, slots: 0 });
  });

  it('ends the captures when evidence cannot be written', async () => {
    const memory = createMemorySink();
    const ran = run(
      { 'node-50': {}, 'node-12': {} },
      {
        sink: {
          ...memory,
          write: (entry, bytes) =>
            entry.phase === 'look' ? memory.write(entry, bytes) : Promise.reject(new Error('disk full')),
        },
      },
    );
    await expect(ran.done).rejects.toThrow('disk full');
    await vi.advanceTimersByTimeAsync(100);
    expect(ran.transport.ran.filter(({ argv }) => argv[0] === 'tcpdump')).toHaveLength(2);
    expect(ran.open).toEqual({ connections: 0, slots: 0 });
  });
});

describe('what does not change', () => {
  const devices = (started: readonly string[]) => started.flatMap((one, at) => (one === 'node-50 eth0' ? [at] : []));
  const look = { stdout: `${seen}tool ip /usr/sbin/ip\ntool ethtool /usr/sbin/ethtool\n` };
  const late = ['route-get', 'nics'];

  it('is read while the window goes on: nodes have nothing else to do in it', async () => {
    for (const options of [{}, { text: { watchMs: 3500 }, budget: { windowMs: 3500 } }]) {
      const ran = run({ 'node-50': { look }, 'node-12': {} }, { ...options, late });
      await ran.done;
      const read = devices(ran.started);
      expect(read.length).toBeGreaterThan(0);
      const counted = ran.started.flatMap((one, at) => (one === 'node-50 /proc/net/snmp' ? [at] : []));
      expect(Math.min(...read)).toBeGreaterThan(counted[0] ?? Number.NaN);
      expect(Math.max(...read)).toBeLessThan(counted.at(-1) ?? Number.NaN);
    }
  });
});

describe('what a run knows in the middle', () => {
  it('is offered after the first look, while captures run, and after the counters, with what is still to come', async () => {
    const { done, middles } = run(
      { 'node-50': {}, 'node-12': {} },
      { text: { watchMs: 3500 }, budget: { windowMs: 3500 } },
    );
    await done;
    const [first, ...later] = middles;
    // settings come with the counters
    expect(first).toEqual({ captures: [], pending: ['active', 'delta', 'last', 'once', 'probe'] });
    const last = later.pop();
    expect(last?.pending).toEqual(['active', 'last']);
    expect(later.length).toBeGreaterThanOrEqual(3);
    for (const { captures, pending } of later) {
      expect(pending).toEqual(['active', 'delta', 'last']);
      // Of a capture that still runs there is what it has seen, as of one that was cut short.
      expect(captures).toHaveLength(2);
      for (const { exit, bytes } of captures) {
        expect(exit).toEqual({ how: 'stopped', why: 'windowOver' });
        expect(bytes).toBeGreaterThan(0);
      }
    }
  });
});
