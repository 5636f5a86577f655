import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Capture } from '../../src/model/facts.ts';
import { createPcapSession } from '../../src/packets/analyse-file.ts';
import { createPayloadStripper } from '../../src/packets/payload-stripper.ts';
import { concat } from './build-capture.ts';

const captures = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'captures');
const there = existsSync(path.join(captures, 'public'));
const why = there ? '' : ' (skipped: ../shared/captures is not here)';

/** What tshark 4.0.17 says of a file. */
interface Oracle {
  readonly file: string;
  readonly exit: number;
  readonly packets: number;
  readonly tcpPackets: number;
  readonly flagged: readonly { readonly n: number; readonly f: readonly string[] }[];
}

/** Cannot be cut after the headers: those are in the compressed part, of which 64 bytes are kept. */
const compressed = new Set(['AH-IPcomp-IPv4.pcap', 'AH-IPcomp-IPv6.pcap']);

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

function analyse(bytes: Uint8Array, mode: 'wireshark' | 'netcheck' = 'netcheck', step = bytes.length) {
  const verdicts = new Map<number, string>();
  const session = createPcapSession({
    mode,
    packets: true,
    evidence: 'x',
    onTcpPacket: (line) => verdicts.set(line.frame, [...line.analysis].sort().join(' ')),
  });
  for (let at = 0; at < bytes.length; at += step) session.push(bytes.subarray(at, at + step));
  return { verdicts, capture: session.finish().capture };
}

/** What is still there when the payload of TCP is not: no answers of DNS over TCP. */
function withoutPayload(capture: Capture): Capture {
  return { ...capture, dns: capture.dns.filter(({ transport }) => transport === 'udp') };
}

describe(`public captures${why}`, { timeout: 60_000 }, () => {
  it.skipIf(!there)(`are all read to their end or their damage, whole and in pieces, without a throw${why}`, () => {
    const files = filesUnder(path.join(captures, 'public'));
    expect(files.length).toBeGreaterThan(1000);
    for (const file of files) {
      const bytes = readFileSync(file);
      const whole = analyse(bytes).capture;
      expect(analyse(bytes, 'netcheck', 97).capture, file).toEqual(whole);
      const stripper = createPayloadStripper({ keepDns: true });
      const stripped = concat(stripper.push(bytes), stripper.finish());
      expect(stripped.length, file).toBeLessThanOrEqual(bytes.length);
      if (compressed.has(path.basename(file))) continue;
      if (whole.problems.length === 0 && bytes.length > 24 && bytes.readUInt32LE(0) !== 0x0a0d0d0a) {
        expect(withoutPayload(analyse(stripped).capture), file).toEqual(withoutPayload(whole));
      }
    }
  });

  it.skipIf(!there)(`agree with tshark on packets, TCP packets and verdicts, as the docs say${why}`, () => {
    const oracles = filesUnder(path.join(captures, 'wireshark-flags')).map(
      (file) => JSON.parse(readFileSync(file, 'utf8')) as Oracle,
    );
    const sums = { files: 0, packets: 0, tcp: 0, tcpAgreed: 0, flagged: 0, flaggedAgreed: 0 };
    const differences: string[] = [];
    for (const oracle of oracles.filter(({ exit }) => exit === 0)) {
      const { verdicts, capture } = analyse(readFileSync(path.join(captures, 'public', oracle.file)), 'wireshark');
      const theirs = new Map(oracle.flagged.map(({ n, f }) => [n, [...f].sort().join(' ')]));
      // The oracle has the number of TCP frames, and the numbers of those with verdicts only.
      const unequal = new Set(
        [...theirs.keys(), ...verdicts.keys()].filter((n) => verdicts.get(n) !== (theirs.get(n) ?? '')),
      );
      const uncounted = Math.max(unequal.size, Math.abs(verdicts.size - oracle.tcpPackets));
      sums.files++;
      sums.packets += oracle.packets;
      sums.tcp += oracle.tcpPackets;
      sums.tcpAgreed += oracle.tcpPackets - uncounted;
      sums.flagged += theirs.size;
      sums.flaggedAgreed += [...theirs.keys()].filter((n) => !unequal.has(n)).length;
      const name = path.basename(oracle.file);
      expect(capture.packets, oracle.file).toBe(oracle.packets);
      if (uncounted > 0) differences.push(`${name}: ${uncounted} TCP frames`);
    }
    expect(sums.flagged).toBeGreaterThan(150);
    expect(sums.flaggedAgreed / sums.flagged).toBeGreaterThanOrEqual(0.999);
    expect(sums.tcpAgreed / sums.tcp).toBeGreaterThanOrEqual(0.9999);
    const said = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'wireshark-agreement.md'), 'utf8');
    expect(said).toContain(figures(sums));
    // Each has to stand in the docs with its reason.
    for (const difference of differences) expect(said).toContain(difference.split(':')[0]);
    console.log([figures(sums), ...differences].join('\n'));
  });

  it.skipIf(!there)(
    `are counted otherwise than by tshark where the docs give the reason, and nowhere else${why}`,
    () => {
      const said = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'wireshark-agreement.md'), 'utf8');
      const listed = [...said.matchAll(/`(?<file>[\w.-]+\.pcap)`/g)].map((match) => match.groups?.['file']);
      const otherwise = filesUnder(path.join(captures, 'wireshark-flags'))
        .map((file) => JSON.parse(readFileSync(file, 'utf8')) as Oracle)
        .filter(({ exit, file, tcpPackets }) => {
          if (exit !== 0) return false;
          return analyse(readFileSync(path.join(captures, 'public', file))).verdicts.size !== tcpPackets;
        })
        .map(({ file }) => path.basename(file));
      expect(new Set(listed)).toEqual(new Set(otherwise));
    },
  );
});

function figures(
  sums: Readonly<Record<'files' | 'packets' | 'tcp' | 'tcpAgreed' | 'flagged' | 'flaggedAgreed', number>>,
): string {
  const share = (part: number, whole: number): string => `${part} of ${whole} (${((100 * part) / whole).toFixed(2)} %)`;
  return [
    `| files that tshark reads | ${sums.files} |`,
    `| packets, equal in every file | ${sums.packets} |`,
    `| TCP frames with the same verdict (none is one) | ${share(sums.tcpAgreed, sums.tcp)} |`,
    `| frames with a \`tcp.analysis\` flag, same set of flags | ${share(sums.flaggedAgreed, sums.flagged)} |`,
  ].join('\n');
}

describe(`captures of a 4.9 kernel${why}`, () => {
  const read = (...parts: readonly string[]): Capture =>
    analyse(readFileSync(path.join(captures, 'linux-4.9', ...parts))).capture;

  // The sums of the TSvals are tshark's: -Y 'tcp.flags.syn==1 && tcp.flags.ack==0' -e tcp.options.timestamp.tsval
  it.skipIf(!there).each([
    ['01c-when-syns-pass', 49, 30, 60, 79, 4_412_518, 0],
    ['01d-other-ports-syncookies', 25, 12, 12, 25, 107_373_524_051, 0],
    ['02-modern-clients', 88, 40, 40, 88, 178_207_216_017, 8],
  ])(
    `%s: %i connections, %i unanswered with %i SYNs${why}`,
    (folder, all, silent, silentSyns, syns, tsvals, without) => {
      const { connections, problems } = read(folder, 'guest-eth0.pcap');
      const unanswered = connections.filter((connection) => connection.handshake === 'unanswered');
      const every = connections.flatMap((connection) => connection.syns);
      expect(problems).toEqual([]);
      expect(connections).toHaveLength(all);
      expect(unanswered).toHaveLength(silent);
      expect(unanswered.flatMap((connection) => connection.syns)).toHaveLength(silentSyns);
      expect(every).toHaveLength(syns);
      expect(every.reduce((sum, syn) => sum + (syn.tsval ?? 0), 0)).toBe(tsvals);
      expect(every.filter((syn) => syn.tsval === null)).toHaveLength(without);
    },
  );

  it.skipIf(!there)(`an idle IPVS entry ends in a RST that the real server never sent${why}`, () => {
    expect(read('03-ipvs', 'client-n0.pcap').connections).toMatchObject([
      { handshake: 'complete', resets: [{ from: 'server', answersSyn: false }] },
    ]);
    expect(read('03-ipvs', 'rs-rs0.pcap').connections).toMatchObject([{ handshake: 'complete', resets: [] }]);
  });
});

describe(`captures of the lab${why}`, () => {
  it.skipIf(!there)(`an MTU black hole is five retransmissions of one segment${why}`, () => {
    const { verdicts, capture } = analyse(readFileSync(path.join(captures, 'f40-mtu-blackhole-ingress.pcap')));
    expect(capture.connections).toMatchObject([{ handshake: 'complete', retransmitted: { client: 5, server: 0 } }]);
    expect([9, 10, 11, 12, 13].map((frame) => verdicts.get(frame))).toEqual(
      Array.from({ length: 5 }, () => 'retransmission'),
    );
    expect(verdicts.get(8)).toBe('duplicate_ack');
  });
  it.skipIf(!there)(`a shut window is probed, not kept alive${why}`, () => {
    const { verdicts } = analyse(readFileSync(path.join(captures, 'f34-zero-window.pcap')));
    const framesOf = (flag: string) =>
      [...verdicts].filter(([, flags]) => flags.split(' ').includes(flag)).map(([frame]) => frame);
    expect(framesOf('zero_window').length).toBeGreaterThan(0);
    expect(framesOf('zero_window_probe')).toEqual([12, 14, 15, 17]);
    // After the window has opened, the application's keep-alives are just that.
    expect(framesOf('keep_alive')).toEqual([64, 66]);
  });
});
