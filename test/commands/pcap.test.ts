import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCapture } from '../../src/commands/read-capture.ts';
import { progressLine } from '../../src/commands/reading-progress.ts';
import { capture } from '../packets/build-capture.ts';
import { buildNetcheck, type BuiltNetcheck, type Finished } from './built-netcheck.ts';

const root = path.join(import.meta.dirname, '..', '..');
const shared = path.join(root, '..', 'shared', 'captures');
const client = '10.12.1.2:43512';
const server = '10.51.2.2:1301';

let folder = '';
let netcheck: BuiltNetcheck;
const at = (name: string): string => path.join(folder, name);
const write = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(at(name), bytes);
  return at(name);
};
const run = (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: Uint8Array,
): Promise<Finished> =>
  netcheck.run(['pcap', ...args], { cwd: folder, env, ...(input === undefined ? {} : { input }) });

/** A connection whose segment of 1440 bytes never arrives, beside a refused and a healthy one. */
function blackHole(): Uint8Array {
  const built = capture()
    .handshake({ from: client, to: server })
    .data({ from: client, to: server, payload: 4 })
    .ack({ from: server, to: client })
    .data({ from: client, to: server, payload: 1440, seq: 1_000_005 })
    .data({ from: client, to: server, payload: 700, seq: 1_001_445 })
    .ack({ from: server, to: client, ack: 1_000_005, sack: [[1_001_445, 1_002_145]] });
  for (const afterMs of [200, 400, 800, 1600])
    built.data({ from: client, to: server, payload: 1440, seq: 1_000_005, afterMs });
  return built
    .syn({ from: '10.12.1.2:43513', to: '10.51.2.2:81' })
    .refuse({ from: '10.51.2.2:81', to: '10.12.1.2:43513' })
    .handshake({ from: '10.12.1.2:43514', to: server })
    .fin({ from: '10.12.1.2:43514', to: server })
    .fin({ from: server, to: '10.12.1.2:43514' })
    .ack({ from: '10.12.1.2:43514', to: server })
    .bytes();
}
const healthy = (): Uint8Array =>
  capture()
    .handshake({ from: client, to: server })
    .data({ from: client, to: server, payload: 100 })
    .data({ from: server, to: client, payload: 300 })
    .fin({ from: client, to: server })
    .fin({ from: server, to: client })
    .ack({ from: client, to: server })
    .bytes();

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'netcheck-pcap-'));
  netcheck = await buildNetcheck();
  write('hole.pcap', blackHole());
  write('fine.pcap', healthy());
}, 60_000);
afterAll(async () => {
  await netcheck.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe.concurrent('netcheck pcap', () => {
  it('says the diagnosis and the conversations, worst first, and ends with 1', async () => {
    const { status, stdout, stderr } = await run(['hole.pcap']);
    expect(stderr).toBe('');
    expect(status).toBe(1);
    expect(stdout).toContain('Diagnosis');
    expect(stdout).toContain('1 refused · 1 stuck · 1 connected');
    expect([...stdout.matchAll(/^(\d) {2}10\.12/gm)].map((match) => match[1])).toEqual(['1', '0', '2']);
    expect(stdout).not.toContain('\u001b');
  });

  it('ends with 0 where nothing is wrong', async () => {
    const { status, stdout } = await run(['fine.pcap']);
    expect(stdout).toContain('1 connected');
    expect(status).toBe(0);
  });

  it('colours where it is told to, and never against NO_COLOR', async () => {
    expect((await run(['hole.pcap'], { FORCE_COLOR: '1' })).stdout).toContain('\u001b[');
    expect((await run(['hole.pcap'], { FORCE_COLOR: '1', NO_COLOR: '1' })).stdout).not.toContain('\u001b');
    expect((await run(['hole.pcap', '--flow', '0'], { FORCE_COLOR: '1' })).stdout).toContain('─ SYN mss 1460 ──');
    expect((await run(['hole.pcap', '--flow', '0'])).stdout).toContain('|- SYN');
  });

  it('--lang zh says all of it in Chinese', async () => {
    const { stdout } = await run(['hole.pcap', '--lang', 'zh']);
    expect(stdout).toContain('诊断');
    expect(stdout).toContain('始终没有到达');
    expect(stdout).not.toContain('never arrived');
  });

  it('reads the same from a gzip and from standard input', async () => {
    write('packed.gz', gzipSync(blackHole()));
    const plain = (await run(['hole.pcap', '--json'])).stdout;
    const named = (text: string): unknown => ({
      ...(JSON.parse(
        text.replaceAll(/packed\.gz|"-"/g, (name) => (name === '"-"' ? '"hole.pcap"' : 'hole.pcap')),
      ) as object),
    });
    expect(named((await run(['packed.gz', '--json'])).stdout)).toEqual(JSON.parse(plain));
    expect(named((await run(['-', '--json'], {}, blackHole())).stdout)).toEqual(JSON.parse(plain));
    expect(named((await run(['-', '--json'], {}, gzipSync(blackHole()))).stdout)).toEqual(JSON.parse(plain));
  });

  it('--json: one line per file with every connection and the findings', async () => {
    const { stdout, status } = await run(['fine.pcap', 'hole.pcap', '--json']);
    expect(status).toBe(1);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatchObject({ file: 'fine.pcap', packets: 8 });
    expect(lines[1]).toMatchObject({ file: 'hole.pcap' });
    expect(lines[1]?.['connections']).toHaveLength(3);
    expect(Array.isArray(lines[1]?.['findings'])).toBe(true);
    expect(lines[2]).toHaveProperty('joined.connections');
  });

  it('--flow N draws one conversation; --packets with it shows every packet of that one', async () => {
    const { stdout, status } = await run(['hole.pcap', '--flow', '0']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^#0 +1440 bytes from 5 of the client never arrived/);
    expect(stdout.match(/lost/g)?.length).toBeGreaterThanOrEqual(5);
    expect(stdout).toContain('hole 5-1445: 1440 bytes missing');
    for (const line of stdout.split('\n').slice(3)) expect(line.length).toBeLessThanOrEqual(100);
    const all = (await run(['hole.pcap', '--flow', '2', '--packets'])).stdout;
    expect(all.match(/^ +[\d.]+ (?:m|µ)?s/gm)).toHaveLength(6);
    const json = (await run(['hole.pcap', '--flow', '0', '--packets', '--json'])).stdout.trimEnd().split('\n');
    expect(json).toHaveLength(12);
    expect(JSON.parse(json[8] ?? '')).toEqual({ frame: 9, flags: ['retransmission'] });
  });

  it('--packets: a line per packet, and exact JSON', async () => {
    const { stdout, status } = await run(['fine.pcap', '--packets']);
    expect(status).toBe(0);
    expect(stdout.split('\n')[0]).toBe(`1 1767225600.000000 ${client} > ${server} SYN seq 1000000 len 0`);
    const json = (await run(['fine.pcap', '--packets', '--json'])).stdout;
    expect(json.split('\n').slice(0, 2)).toEqual(['{"frame":1,"flags":[]}', '{"frame":2,"flags":[]}']);
  });

  it('--html and --svg write pictures that stand alone', async () => {
    await run(['hole.pcap', '--html', 'page.html']);
    const page = readFileSync(at('page.html'), 'utf8');
    expect(page).toMatch(/^<!doctype html>/);
    expect(page.match(/<svg/g)?.length).toBeGreaterThanOrEqual(4);
    expect(page).not.toMatch(/<script|<link|src=/);
    await run(['hole.pcap', '--flow', '0', '--svg', 'flow.svg']);
    expect(readFileSync(at('flow.svg'), 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s);
  });

  it('joins files that share connections, and says where packets died', async () => {
    // A packet keeps its IP id on the way: so it is known again, and so is the one that did not come.
    const seen = (drop: boolean): Uint8Array => {
      const built = capture({ startMs: Date.UTC(2026, 0, 1) + (drop ? 250 : 0) });
      const way = { from: client, to: server };
      const back = { from: server, to: client };
      const ttl = drop ? 63 : 64;
      let ipId = 100;
      let atMs = Date.UTC(2026, 0, 1) + (drop ? 250 : 0);
      const next = (afterMs: number) => {
        ipId += 1;
        atMs += afterMs;
        return { ipId, atMs };
      };
      built
        .syn({ ...way, ...next(0), ttl })
        .synAck({ ...back, ...next(0.2) })
        .ack({ ...way, ...next(0.1), ttl });
      for (let index = 0; index < 5; index += 1) {
        built.data({ ...way, ...next(10), ttl, payload: 100, seq: 1_000_001 + index * 100 });
        built.ack({ ...back, ...next(0.3), ack: 1_000_101 + index * 100 });
      }
      for (let index = 0; index < 5; index += 1) {
        const large = next(200);
        if (!drop) built.data({ ...way, ...large, ttl, payload: 1440, seq: 1_000_501 });
        built.data({ ...way, ...next(1), ttl, payload: 50, seq: 1_001_941 + index * 50 });
        built.ack({ ...back, ...next(0.3), ack: 1_000_501, sack: [[1_001_941, 1_001_991 + index * 50]] });
      }
      return built.bytes();
    };
    write('client.pcap', seen(false));
    write('target.pcap', seen(true));
    const text = (await run(['client.pcap', 'target.pcap'])).stdout.replaceAll(/\s+/g, ' ');
    expect(text).toContain('Joined: 1 connection seen at more than one place, on the way client.pcap → target.pcap');
    expect(text).toMatch(/[45] packets of 1440 bytes died between client\.pcap and target\.pcap/);
    const flow = (await run(['client.pcap', 'target.pcap', '--flow', '0'])).stdout;
    expect(flow.match(/lost/g)?.length).toBeGreaterThanOrEqual(4);
    await run(['client.pcap', 'target.pcap', '--html', 'joined.html']);
    expect(readFileSync(at('joined.html'), 'utf8')).toMatch(/[45] packets of 1440 bytes died/);
  });
});

describe.concurrent('files and options that are not what they should be', () => {
  const sentence = async (args: readonly string[], status: number, said: RegExp): Promise<void> => {
    const finished = await run(args);
    expect(finished.stderr).toMatch(said);
    expect(finished.stderr).not.toMatch(/\n\s+at |Error:/);
    expect(finished.status).toBe(status);
  };
  it.for([
    [['nowhere.pcap'], 64, /nowhere\.pcap cannot be read: there is no such file\./],
    [['.'], 64, /\. cannot be read: it is a directory\./],
    [['empty.pcap'], 2, /^empty\.pcap: there are no bytes/],
    [['text.pcap'], 2, /^text\.pcap: .*not a pcap or pcapng capture/],
    [['one.gz'], 2, /^one\.gz: .*reading stopped/s],
    [['hole.pcap', '--flow', '99'], 64, /hole\.pcap: There is no connection 99: they are numbered from 0 to 2/],
    [['hole.pcap', '--flow', 'x'], 64, /--flow takes the number of a conversation/],
    [['hole.pcap', '--svg', 'x.svg'], 64, /--svg draws one conversation: it needs --flow/],
    [['hole.pcap', '--as', 'tcpdump'], 64, /--as takes only wireshark/],
    [['hole.pcap', '--html', 'no/such/x.html'], 64, /x\.html cannot be written/],
  ] as const)('%s', async ([args, status, said]) => {
    write('empty.pcap', '');
    write('text.pcap', 'this is not a capture, whatever its name says');
    write('one.gz', gzipSync(healthy()).subarray(0, 12));
    await sentence(args, status, said);
  });
  it('one bad file among several does not keep the others from being read', async () => {
    const { stdout, stderr, status } = await run(['nowhere.pcap', 'fine.pcap']);
    expect(stderr).toContain('nowhere.pcap cannot be read: there is no such file.');
    expect(stdout).toContain('1 connected');
    expect(status).toBe(2);
  });
  it('names in a capture do not act in the terminal', async () => {
    const name = 'evil\u001b]0;x\u0007.pcap';
    write(name, healthy());
    const { stdout } = await run([name]);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('evil␛]0;x␇.pcap');
  });
});

describe('real captures', () => {
  it.skipIf(!existsSync(shared)).for([
    ['f40-mtu-blackhole-ingress.pcap', 'mtu-blackhole', 'never arrived'],
    ['f34-zero-window.pcap', 'zero-window', 'shut its window for 3.37 s'],
    ['linux-4.9/03-ipvs/client-n0.pcap', 'rst-injected', '35.0 s of silence'],
  ] as const)('%s (skipped where ../shared is absent)', async ([name, rule, said]) => {
    const { stdout, status } = await run([path.join(shared, name)]);
    expect(status).toBe(1);
    expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(new RegExp(`(?:likely|confirmed), ${rule}`));
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(said);
  });
  it.skipIf(!existsSync(shared))('four places of an IPVS service are joined across the translation', async () => {
    const places = ['client-n0', 'director-eth0', 'director-eth1', 'rs-rs0'];
    const files = places.map((name) => path.join(shared, 'linux-4.9', '03-ipvs', `${name}.pcap`));
    const { stdout } = await run(files);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(places.map((name) => `${name}.pcap`).join(' → '));
    expect(stdout).toContain('the addresses are translated on the way');
  });
});

describe('readCapture', () => {
  const bytesOf = async (file: string): Promise<{ bytes: Buffer; why: string | null; last: unknown }> => {
    const chunks: Buffer[] = [];
    let last: unknown;
    const why = await readCapture(
      file,
      (chunk) => chunks.push(Buffer.from(chunk)),
      (progress) => {
        last = progress;
      },
    );
    return { bytes: Buffer.concat(chunks), why, last };
  };
  // More than one chunk, and not a multiple of it; the same bytes every time.
  const big = Buffer.from(Array.from({ length: 2_500_001 }, (_, index) => (index * 7919) >> 5));

  it('gives every byte once, of a file, of a gzip, and of a pipe', async () => {
    expect((await bytesOf(write('big', big))).bytes.equals(big)).toBe(true);
    const packed = gzipSync(big, { level: 1 });
    const unpacked = await bytesOf(write('big.gz', packed));
    expect(unpacked.bytes.equals(big)).toBe(true);
    expect(unpacked.last).toEqual({ readBytes: packed.length, totalBytes: packed.length });
    mkdirSync(at('pipes'), { recursive: true });
    execFileSync('mkfifo', [at('pipes/one')]);
    execFileSync('sh', ['-c', `timeout 10 sh -c 'cat big > pipes/one' &`], { cwd: folder, stdio: 'ignore' });
    expect((await bytesOf(at('pipes/one'))).bytes.equals(big)).toBe(true);
  });
  it('gives what came before the end of a gzip that was cut, and says so', async () => {
    const packed = gzipSync(big, { level: 1 });
    const { bytes, why } = await bytesOf(write('cut.gz', packed.subarray(0, packed.length >> 1)));
    expect(why).toBe('unexpected end of file');
    expect(bytes.length).toBeGreaterThan(0);
    expect(bytes.equals(big.subarray(0, bytes.length))).toBe(true);
  });
});

describe('the progress of reading', () => {
  const watched = (isTTY: boolean) => {
    const written: string[] = [];
    let nowMs = 0;
    const line = progressLine(
      { isTTY, columns: 80, write: (text: string) => written.push(text) > 0 },
      'x.pcap',
      () => 1_234_567,
      () => nowMs,
    );
    const show = (atMs: number, readBytes: number, totalBytes: number | null): void => {
      nowMs = atMs;
      line.show({ readBytes, totalBytes });
    };
    return { written, line, show };
  };
  it('is shown after a second, and replaced by what was read', () => {
    const { written, line, show } = watched(true);
    show(900, 10e6, 100e6);
    expect(written).toEqual([]);
    show(1100, 25e6, 100e6);
    show(1150, 26e6, 100e6);
    expect(written).toEqual(['\r\u001b[Kx.pcap: 25 MB of 100 MB (25 %), 1\u202f234\u202f567 packets']);
    show(2000, 100e6, 100e6);
    line.end(2_000_000);
    expect(written.at(-1)).toBe('\r\u001b[Kx.pcap: 100 MB, 2\u202f000\u202f000 packets, read in 2.0 s\n');
  });
  it('says no share where the length is not known, and nothing at all without a terminal', () => {
    const pipe = watched(true);
    pipe.show(1100, 25e6, null);
    expect(pipe.written).toEqual(['\r\u001b[Kx.pcap: 25 MB, 1\u202f234\u202f567 packets']);
    const file = watched(false);
    file.show(5000, 25e6, 100e6);
    file.line.end(1);
    expect(file.written).toEqual([]);
    const quick = watched(true);
    quick.show(100, 25e6, 25e6);
    quick.line.end(1);
    expect(quick.written).toEqual([]);
  });
});

describe('what netcheck pcap loads', () => {
  /** Files and packages that are loaded before anything is read: imports that are not types, and not made on demand. */
  const loaded = (file: string, seen = new Set<string>()): ReadonlySet<string> => {
    if (seen.has(file)) return seen;
    seen.add(file);
    const text = readFileSync(path.join(root, 'src', file), 'utf8');
    for (const [, names = '', specifier = ''] of text.matchAll(
      /(?:^|\n)(?:import|export)\s+((?!type\b)[^'";]*?)\s*from\s*'([^']+)'/g,
    )) {
      const onlyTypes =
        /^\{[^}]*\}$/s.test(names) &&
        names
          .slice(1, -1)
          .split(',')
          .every((name) => name.trim() === '' || name.trim().startsWith('type '));
      if (onlyTypes) continue;
      if (specifier.startsWith('.')) loaded(path.posix.join(path.posix.dirname(file), specifier), seen);
      else seen.add(specifier);
    }
    return seen;
  };
  it('is the packet engine, and nothing of Slack, SSH, Redis, YAML or zod', () => {
    const files = [...loaded('commands/pcap.ts')];
    expect(files).toContain('packets/capture-reader.ts');
    expect(files.filter((file) => !/^(?:node:|packets\/|commands\/|model\/errors\.ts$|report\/)/.test(file))).toEqual(
      [],
    );
    // The check sees what it is to see.
    expect([...loaded('commands/replay.ts')]).toContain('zod');
  });
});
