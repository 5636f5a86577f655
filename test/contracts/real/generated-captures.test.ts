import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CaptureShape, type GenerateOptions, generateCaptureFile } from '../../bench/generate-captures.ts';
import type { Meaning } from '../../bench/long-transfer.ts';

/** What is measured in test/bench has to be TCP: tshark finds in it what the generator did, and nothing else. */
const noTshark = spawnSync('tshark', ['--version']).error === undefined ? '' : ' (skipped: tshark is not here)';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'netcheck-generated-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Wireshark's words for what the generator calls `resent`: which of them depends on times that it does not look at. */
const resent = ['retransmission', 'fast_retransmission', 'spurious_retransmission', 'out_of_order'];
const fields: Readonly<Record<string, Meaning>> = {
  ...Object.fromEntries(resent.map((name) => [name, 'resent'])),
  lost_segment: 'gap',
  duplicate_ack: 'duplicateAck',
  reused_ports: 'reused',
  ack_lost_segment: 'plain',
  zero_window: 'plain',
  window_full: 'plain',
  keep_alive: 'plain',
};

function generated(shape: CaptureShape, options: GenerateOptions) {
  const file = path.join(folder, `${shape}.pcap`);
  const meant = new Map<number, Meaning>();
  const packets = generateCaptureFile(shape, file, {
    ...options,
    onFrame: (frame, meaning) => {
      if (meaning !== 'plain') meant.set(frame, meaning);
    },
  });
  const names = Object.keys(fields);
  const argv = ['-e', 'frame.number', ...names.flatMap((name) => ['-e', `tcp.analysis.${name}`])];
  const lines = execFileSync('tshark', ['-n', '-r', file, '-Y', 'tcp', '-T', 'fields', ...argv], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 2 ** 28,
  })
    .trimEnd()
    .split('\n');
  const seen = new Map<number, string>();
  for (const line of lines) {
    const [frame, ...values] = line.split('\t');
    const found = new Set(names.filter((_, index) => (values[index] ?? '') !== '').map((name) => fields[name]));
    if (found.size > 0) seen.set(Number(frame), [...found].join(' '));
  }
  return { packets, tcp: lines.length, meant, seen };
}

describe('tshark finds what the generator meant', () => {
  it.skipIf(noTshark !== '')(`in long transfers${noTshark}`, () => {
    const { packets, tcp, meant, seen } = generated('long-transfers', { seed: 3, count: 40, segments: 1500 });
    expect(tcp).toBe(packets);
    expect(packets).toBeGreaterThan(40 * 1500);
    const differences = [...new Set([...meant.keys(), ...seen.keys()])]
      .filter((frame) => meant.get(frame) !== seen.get(frame))
      .map((frame) => `frame ${frame}: meant ${meant.get(frame)}, tshark says ${seen.get(frame)}`);
    expect(differences).toEqual([]);
    const counted = (meaning: Meaning) => [...meant.values()].filter((one) => one === meaning).length;
    expect(counted('resent')).toBeGreaterThan(80);
    expect(counted('gap')).toBeGreaterThan(20);
    expect(counted('duplicateAck')).toBeGreaterThan(1000);
  });

  it.skipIf(noTshark !== '')(`in short connections: nothing${noTshark}`, () => {
    const { packets, tcp, meant, seen } = generated('short-connections', { seed: 4, count: 2000 });
    expect({ packets, tcp }).toEqual({ packets: 20_000, tcp: 20_000 });
    expect({ meant: [...meant], seen: [...seen] }).toEqual({ meant: [], seen: [] });
  });

  it.skipIf(noTshark !== '')(`in reused ports${noTshark}`, () => {
    const { meant, seen } = generated('port-reuse', { seed: 5, count: 2000 });
    expect(meant.size).toBe(1800);
    expect([...seen]).toEqual([...meant]);
  });

  it.skipIf(noTshark !== '')(`in a SYN flood: nothing${noTshark}`, () => {
    const { packets, seen } = generated('syn-flood', { seed: 6, count: 10_000 });
    expect(packets).toBe(10_020);
    expect([...seen]).toEqual([]);
  });
});
