import { mkdtemp, rm, symlink, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createMemorySink } from '../../../src/adapters/files/memory-sink.ts';
import { readOutputs } from '../../../src/adapters/files/read-outputs.ts';
import { createRunDirectory } from '../../../src/adapters/files/run-directory.ts';
import type { EvidenceSink } from '../../../src/engine/ports.ts';
import type { EvidenceEntry } from '../../../src/model/evidence.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A command with a secret in its output, and a capture. */
async function fill(sink: EvidenceSink): Promise<EvidenceEntry[]> {
  const entry = {
    node: 'node-50',
    phase: 'once',
    privilege: 'none',
    startedAtMs: 0,
    endedAtMs: 1,
    exit: { how: 'exited', code: 0 },
  } as const;
  return [
    await sink.write(
      { ...entry, argv: ['ps'], id: '01-ps', collector: 'ps', kind: 'ps' },
      { stdout: bytesOf('curl postgres://bob:hunter2hunter2@db/x\n'), stderr: bytesOf('a warning\n') },
    ),
    await sink.write(
      { ...entry, argv: ['tcpdump'], id: '02-capture', collector: 'capture', kind: 'pcap' },
      { stdout: bytesOf('packets'), stderr: bytesOf('tcpdump: listening\n') },
    ),
  ];
}

const texts = (outputs: ReadonlyMap<string, Uint8Array>): readonly (readonly [string, string])[] =>
  [...outputs].map(([file, bytes]) => [file, new TextDecoder().decode(bytes)] as const);

it('reads what was said, as it is stored: without secrets, and without captures', async () => {
  const directory = path.join(await mkdtemp(path.join(tmpdir(), 'netcheck-outputs-')), 'run');
  onTestFinished(() => rm(path.dirname(directory), { recursive: true, force: true }));
  const memory = createMemorySink();
  const entries = await fill(memory);
  await fill(createRunDirectory(directory));
  const inMemory = texts(await readOutputs(memory, entries));
  expect(inMemory.map(([file]) => file)).toEqual([
    'evidence/node-50/01-ps.out',
    'evidence/node-50/01-ps.err',
    'evidence/node-50/02-capture.err',
  ]);
  expect(JSON.stringify(inMemory)).not.toContain('hunter2');
  expect(texts(await readOutputs(directory, entries))).toEqual(inMemory);

  // Whoever may write there cannot make it show another file.
  const file = path.join(directory, 'evidence/node-50/01-ps.out');
  await unlink(file);
  await symlink('/etc/passwd', file);
  expect((await readOutputs(directory, entries)).has('evidence/node-50/01-ps.out')).toBe(false);
});
