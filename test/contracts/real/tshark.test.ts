import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPayloadStripper } from '../../../src/packets/payload-stripper.ts';
import { comparedVerdicts, ourVerdicts, tsharkVerdicts, tsharkVersion } from '../../fuzz/tshark-verdicts.ts';
import { concat } from '../../packets/build-capture.ts';
import { randomTalk } from '../../packets/random-talk.ts';

const version = tsharkVersion();
const noTshark =
  version === '4.0' ? '' : ` (skipped: tshark 4.0 is not here${version === undefined ? '' : `, only ${version}`})`;
const noTcpdump = spawnSync('tcpdump', ['--version']).error === undefined ? '' : ' (skipped: tcpdump is not here)';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'netcheck-tshark-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, bytes: Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

describe('the real tshark', () => {
  it.skipIf(noTshark !== '')(`judges every frame of random connections as we do${noTshark}`, () => {
    const seen = new Set<string>();
    for (const seed of [1, 2, 3]) {
      const bytes = randomTalk(seed, 8000).bytes();
      const theirs = tsharkVerdicts(write(`talk-${seed}.pcap`, bytes));
      const found = ourVerdicts(bytes);
      expect(theirs.size).toBeGreaterThan(8000);
      const differences = [...theirs]
        .filter(([frame, flags]) => found.get(frame) !== flags)
        .map(([frame, flags]) => `seed ${seed}, frame ${frame}: tshark "${flags}", we "${found.get(frame)}"`);
      expect(differences).toEqual([]);
      for (const flags of theirs.values()) for (const flag of flags.split(' ')) seen.add(flag);
    }
    // Every verdict occurs, so that agreement means something.
    expect(comparedVerdicts.filter((name) => !seen.has(name))).toEqual([]);
  });

  it.skipIf(noTshark !== '')(`judges a stripped capture as the whole one${noTshark}`, () => {
    const bytes = randomTalk(4, 3000).bytes();
    const stripper = createPayloadStripper({ keepDns: true });
    const stripped = concat(stripper.push(bytes), stripper.finish());
    expect(stripped.length).toBeLessThan(bytes.length / 2);
    expect([...tsharkVerdicts(write('stripped.pcap', stripped))]).toEqual([
      ...tsharkVerdicts(write('whole.pcap', bytes)),
    ]);
  });
});

describe('the real tcpdump', () => {
  it.skipIf(noTcpdump !== '')(`reads a stripped capture to its end${noTcpdump}`, () => {
    const bytes = randomTalk(5, 500).bytes();
    const stripper = createPayloadStripper({ keepDns: true });
    const stripped = concat(stripper.push(bytes), stripper.finish());
    const print = (name: string, content: Uint8Array): string =>
      execFileSync('tcpdump', ['-nn', '-tt', '-r', write(name, content)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        maxBuffer: 2 ** 28,
      })
        // Port 80 is printed as HTTP where there is payload to print.
        .replace(/: HTTP.*$/gm, '')
        .replace(/ \[\|http\]$/gm, '');
    const lines = print('tcpdump.pcap', stripped);
    expect(lines.split('\n').length).toBeGreaterThan(500);
    expect(lines).toBe(print('tcpdump-whole.pcap', bytes));
  });
});
