import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadRun } from '../../../src/adapters/files/load-run.ts';
import { createMemorySink } from '../../../src/adapters/files/memory-sink.ts';
import { packRun } from '../../../src/adapters/files/pack-run.ts';
import { createRunDirectory } from '../../../src/adapters/files/run-directory.ts';
import { writeTar } from '../../../src/adapters/files/tar.ts';
import { bytes, entry, packets, record, report, writeRun } from './fixtures.ts';

let root: string;
let run: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'netcheck-files-'));
  run = join(root, 'run');
});
afterEach(() => rmSync(root, { recursive: true }));

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name).slice(directory.length + 1))
    .sort();

const problem = async (path: string): Promise<{ code: string; message: string; hint: string }> => {
  try {
    await loadRun(path);
  } catch (error) {
    return error as { code: string; message: string; hint: string };
  }
  throw new Error('was loaded');
};

describe('a run directory', () => {
  it('has the layout of the design, for its owner only', async () => {
    await writeRun(createRunDirectory(run));
    expect(filesBelow(run)).toEqual([
      'evidence/node-12/index.json',
      'evidence/node-30/01-ipvs.out',
      'evidence/node-30/index.json',
      'evidence/node-50/01-sysctl.out',
      'evidence/node-50/02-capture.err',
      'evidence/node-50/02-capture.pcap',
      'evidence/node-50/index.json',
      'report.json',
      'run.json',
    ]);
    for (const name of ['', 'evidence', 'evidence/node-50']) expect(statSync(join(run, name)).mode & 0o777).toBe(0o700);
    for (const name of filesBelow(run)) expect(statSync(join(run, name)).mode & 0o777).toBe(0o600);
  });

  it('has the bytes and the index on disk when write resolves', async () => {
    const sink = createRunDirectory(run);
    const written = await sink.write(entry('node-50', '01-sysctl'), {
      stdout: bytes('a = 1\n'),
      stderr: bytes('warn\n'),
    });
    expect(written).toMatchObject({
      out: 'evidence/node-50/01-sysctl.out',
      err: 'evidence/node-50/01-sysctl.err',
      outBytes: 6,
      errBytes: 5,
    });
    expect(readFileSync(join(run, written.out ?? ''), 'utf8')).toBe('a = 1\n');
    expect(JSON.parse(readFileSync(join(run, 'evidence/node-50/index.json'), 'utf8'))).toEqual([written]);
    expect(existsSync(join(run, 'run.json'))).toBe(false);
  });

  it('keeps every entry where many are written at once', async () => {
    const sink = createRunDirectory(run);
    const ids = Array.from({ length: 30 }, (_, n) => `${String(n).padStart(2, '0')}-ss`);
    await Promise.all(ids.map((id) => sink.write(entry('node-50', id), { stdout: bytes(id), stderr: bytes('') })));
    const index = JSON.parse(readFileSync(join(run, 'evidence/node-50/index.json'), 'utf8')) as { id: string }[];
    expect(index.map(({ id }) => id)).toEqual(ids);
  });

  it('never holds a secret, and leaves packets alone', async () => {
    await writeRun(createRunDirectory(run));
    expect(readFileSync(join(run, 'evidence/node-30/01-ipvs.out'), 'utf8')).toBe('password=[redacted] 10.0.0.1\n');
    expect(new Uint8Array(readFileSync(join(run, 'evidence/node-50/02-capture.pcap')))).toEqual(packets);
  });

  it('takes the place of an earlier run, with nothing of it left', async () => {
    await writeRun(createRunDirectory(run));
    const sink = createRunDirectory(run);
    expect(filesBelow(run)).toEqual([]);
    await sink.finish(record, report);
    expect(filesBelow(run)).toEqual(['report.json', 'run.json']);
  });

  it('takes the place of one whose worker was killed in the middle of a file', async () => {
    await writeRun(createRunDirectory(run));
    writeFileSync(join(run, '.01234567-89ab-4def-8123-456789abcdef'), '{"half":');
    await createRunDirectory(run).finish(record, report);
    expect(readdirSync(run).sort()).toEqual(['evidence', 'report.json', 'run.json']);
  });

  it('refuses a directory with something else in it, and touches nothing', () => {
    mkdirSync(run);
    writeFileSync(join(run, 'thesis.txt'), 'precious');
    mkdirSync(join(run, 'evidence'));
    expect(() => createRunDirectory(run)).toThrow(
      expect.objectContaining({ code: 'config/invalid', message: expect.stringContaining('thesis.txt') as string }),
    );
    expect(readdirSync(run)).toEqual(['evidence', 'thesis.txt']);
  });

  it('refuses at once where nothing can be written', () => {
    writeFileSync(run, 'a file');
    expect(() => createRunDirectory(run)).toThrow(
      expect.objectContaining({
        code: 'config/invalid',
        message: expect.stringContaining('it is not a directory') as string,
      }),
    );
  });

  it('says in one sentence that it could not write', async () => {
    const sink = createRunDirectory(run);
    rmSync(join(run, 'evidence'), { recursive: true });
    writeFileSync(join(run, 'evidence'), 'in the way');
    await expect(
      sink.write(entry('node-50', '01-sysctl'), { stdout: bytes('x'), stderr: bytes('') }),
    ).rejects.toMatchObject({
      code: 'fault/internal',
      message: expect.stringMatching(
        /^evidence\/node-50\/01-sysctl\.out cannot be written in .*: it is not a directory\.$/,
      ) as string,
    });
    expect(readdirSync(run)).toEqual(['evidence']);
  });

  it('leaves no half-written file behind', async () => {
    const sink = createRunDirectory(run);
    mkdirSync(join(run, 'evidence/node-50/01-sysctl.out/in-the-way'), { recursive: true });
    await expect(
      sink.write(entry('node-50', '01-sysctl'), { stdout: bytes('x'), stderr: bytes('') }),
    ).rejects.toMatchObject({ code: 'fault/internal' });
    expect(readdirSync(join(run, 'evidence/node-50'))).toEqual(['01-sysctl.out']);
  });

  it.each(['../etc', 'a/b', '', '.', '..', '-x', 'a\0b'])('refuses %j as a name', async (name) => {
    const sink = createRunDirectory(run);
    const nothing = { stdout: bytes('x'), stderr: bytes('') };
    await expect(sink.write(entry(name, '01-sysctl'), nothing)).rejects.toMatchObject({ code: 'fault/internal' });
    await expect(sink.write(entry('node-50', name), nothing)).rejects.toMatchObject({ code: 'fault/internal' });
    await expect(createMemorySink().write(entry(name, '01-sysctl'), nothing)).rejects.toMatchObject({
      code: 'fault/internal',
    });
    expect(filesBelow(root)).toEqual([]);
  });

  it('has the same bytes in memory', async () => {
    const memory = createMemorySink();
    await writeRun(memory);
    await writeRun(createRunDirectory(run));
    expect(memory.files().map(({ path }) => path)).toEqual(filesBelow(run));
    for (const file of memory.files()) expect(Buffer.from(file.bytes)).toEqual(readFileSync(join(run, file.path)));
  });
});

describe('loading a run', () => {
  const packed = (): string => join(root, 'run.tar.gz');
  const save = async (): Promise<void> => {
    await writeRun(createRunDirectory(run));
    writeFileSync(packed(), await packRun(run));
  };

  it('gives back what was written, from the directory, its pack, a link to it and an unpacked tar', async () => {
    await save();
    const loaded = await loadRun(run);
    expect(loaded.record).toEqual(record);
    expect(loaded.reportBytes).toEqual(readFileSync(join(run, 'report.json')));
    expect(loaded.evidence.map((one) => `${one.entry.node} ${one.entry.id}`)).toEqual([
      'node-50 01-sysctl',
      'node-50 02-capture',
      'node-12 01-probe',
      'node-30 01-ipvs',
    ]);
    expect(new Uint8Array(loaded.evidence[1]?.stdout ?? [])).toEqual(packets);
    expect(Buffer.from(loaded.evidence[1]?.stderr ?? []).toString()).toBe('listening on eth0\n');
    expect(loaded.evidence[2]?.stdout).toHaveLength(0);

    symlinkSync(run, join(root, 'link'));
    writeFileSync(join(root, 'run.tar'), writeTar((await memoryRun()).files()));
    for (const path of [packed(), join(root, 'link'), join(root, 'run.tar')]) {
      const other = await loadRun(path);
      expect(other.record).toEqual(loaded.record);
      expect(other.evidence.map((one) => one.entry)).toEqual(loaded.evidence.map((one) => one.entry));
      for (const [index, one] of other.evidence.entries()) {
        expect(Buffer.from(one.stdout)).toEqual(Buffer.from(loaded.evidence[index]?.stdout ?? []));
      }
    }
  });

  const memoryRun = async (): Promise<ReturnType<typeof createMemorySink>> => {
    const memory = createMemorySink();
    await writeRun(memory);
    return memory;
  };

  it("packs to the same bytes from a directory and from memory, whatever the files' times", async () => {
    await save();
    chmodSync(join(run, 'run.json'), 0o644);
    const fromMemory = await packRun(await memoryRun());
    expect(Buffer.from(await packRun(run)).equals(fromMemory)).toBe(true);
    expect(Buffer.from(readFileSync(packed())).equals(fromMemory)).toBe(true);
  });

  it('packs no time, no system, and nothing that is not a plain file of the run', async () => {
    await save();
    const before = await packRun(run);
    // RFC 1952 section 2.3: MTIME in bytes 4 to 7, OS in byte 9.
    expect([...before.subarray(4, 8), before[9]]).toEqual([0, 0, 0, 0, 255]);
    symlinkSync('/etc/hostname', join(run, 'evidence/node-50/99-evil.out'));
    writeFileSync(join(run, 'evidence/node-50/notes.txt'), 'private');
    expect(Buffer.from(await packRun(run)).equals(before)).toBe(true);
  });

  it.each(['gnu', 'ustar', 'pax'])('reads what tar --format=%s packs, also in a folder', async (format) => {
    await save();
    // Beyond the 100 bytes of a header's name; ustar can only split at a slash.
    const deep = `node-${'x'.repeat(format === 'ustar' ? 80 : 120)}`;
    cpSync(join(run, 'evidence/node-30'), join(run, 'evidence', deep), { recursive: true });
    const index = join(run, 'evidence', deep, 'index.json');
    writeFileSync(index, readFileSync(index, 'utf8').replaceAll('node-30', deep));
    execFileSync('tar', ['--format', format, '-czf', packed(), '-C', root, 'run']);
    const loaded = await loadRun(packed());
    expect(loaded.evidence.at(-1)?.entry.node).toBe(deep);
    expect(loaded.evidence).toHaveLength(5);
  });

  it('packs what tar can list and unpack, long names too', async () => {
    const memory = await memoryRun();
    const long = `node-${'y'.repeat(200)}`;
    await memory.write(entry(long, '01-sysctl'), { stdout: bytes('x'.repeat(513)), stderr: bytes('') });
    writeFileSync(packed(), await packRun(memory));
    mkdirSync(join(root, 'out'));
    const unpacked = spawnSync('tar', ['-xzvf', packed(), '-C', join(root, 'out')], { encoding: 'utf8' });
    expect(unpacked.stderr).toBe('');
    expect(filesBelow(join(root, 'out'))).toEqual(memory.files().map(({ path }) => path));
    expect((await loadRun(packed())).evidence.at(-1)?.stdout).toHaveLength(513);
  });

  describe('that is not as it was written', () => {
    it('does not exist', async () => {
      expect(await problem(join(root, 'nothing'))).toMatchObject({ code: 'replay/not-found' });
      expect(await problem('/dev/null')).toMatchObject({ code: 'replay/not-found' });
    });

    it('has no run.json', async () => {
      await save();
      rmSync(join(run, 'run.json'));
      expect(await problem(run)).toMatchObject({
        code: 'replay/not-found',
        message: `${run} holds no finished run: there is no run.json.`,
      });
      await expect(packRun(run)).rejects.toMatchObject({ code: 'replay/not-found' });
    });

    it('comes from a newer netcheck', async () => {
      await save();
      writeFileSync(join(run, 'run.json'), JSON.stringify({ ...record, format: 2, shiny: true }));
      expect(await problem(run)).toMatchObject({
        code: 'replay/newer',
        message: `${run} was saved by a newer netcheck (format 2; this one knows 1).`,
        hint: expect.stringContaining('Update netcheck') as string,
      });
    });

    it.each([
      ['run.json', 'not json', 'run.json is not JSON.'],
      ['run.json', '{}', 'run.json is not as netcheck writes it at format'],
      ['run.json', JSON.stringify({ ...record, plan: 7 }), 'run.json is not as netcheck writes it at plan'],
      ['evidence/node-50/index.json', '[{}]', 'evidence/node-50/index.json is not as netcheck writes it at 0.id'],
      [
        'evidence/node-50/01-sysctl.out',
        'other',
        'evidence/node-50/01-sysctl.out has 5 bytes where its index says 28.',
      ],
    ])('%s holds %j', async (file, content, message) => {
      await save();
      writeFileSync(join(run, file), content);
      const found = await problem(run);
      expect(found.code).toBe('replay/unreadable');
      expect(found.message).toContain(`${run}: ${message}`);
    });

    it('lacks a file', async () => {
      await save();
      rmSync(join(run, 'evidence/node-50/02-capture.pcap'));
      expect((await problem(run)).message).toBe(`${run}: evidence/node-50/02-capture.pcap is missing.`);
    });

    it('says that another node printed it', async () => {
      await save();
      const index = join(run, 'evidence/node-30/index.json');
      writeFileSync(index, readFileSync(index, 'utf8').replace('"node": "node-30"', '"node": "node-50"'));
      expect((await problem(run)).message).toBe(`${run}: evidence/node-30/index.json holds an entry of "node-50".`);
    });

    it.each([
      '../../../../etc/passwd',
      '/etc/passwd',
      'run.json',
      'evidence/../run.json',
      'evidence/node-50/../../run.json',
      'evidence/node-50/..',
    ])('names %s as evidence', async (file) => {
      await save();
      const index = join(run, 'evidence/node-50/index.json');
      writeFileSync(index, readFileSync(index, 'utf8').replace('evidence/node-50/01-sysctl.out', file));
      const found = await problem(run);
      expect(found.code).toBe('replay/unreadable');
      expect(found.message).toContain('which is not evidence');
    });

    it('leads outside through a link', async () => {
      await save();
      const out = join(run, 'evidence/node-50/01-sysctl.out');
      rmSync(out);
      symlinkSync('/etc/hostname', out);
      expect((await problem(run)).message).toContain('evidence/node-50/01-sysctl.out is a link');
      rmSync(out);
      renameSync(join(run, 'evidence/node-50'), join(root, 'elsewhere'));
      symlinkSync(join(root, 'elsewhere'), join(run, 'evidence/node-50'));
      expect((await problem(run)).message).toContain('evidence/node-50 is a link');
    });

    it('is too much', async () => {
      await save();
      const few = { maxBytes: 10_000_000, maxFiles: 3 };
      const little = { maxBytes: 1_000, maxFiles: 100 };
      for (const limits of [few, little]) {
        for (const path of [run, packed()]) {
          await expect(loadRun(path, limits)).rejects.toMatchObject({ code: 'replay/unreadable' });
        }
      }
    });

    it('is a bomb: it stops at the limit', async () => {
      const bomb = writeTar([{ path: 'run.json', bytes: new Uint8Array(48 * 1024 * 1024) }]);
      writeFileSync(packed(), gzipSync(bomb));
      const crumbs = Array.from({ length: 2_000 }, (_, n) => ({ path: `crumb-${n}`, bytes: bytes('x') }));
      const many = join(root, 'many.tar.gz');
      writeFileSync(many, gzipSync(writeTar(crumbs)));
      await expect(loadRun(many, { maxBytes: 1024 * 1024, maxFiles: 10_000 })).rejects.toMatchObject({
        message: `${many} unpacks to more than 1 MiB.`,
      });
      await expect(loadRun(packed(), { maxBytes: 1024 * 1024, maxFiles: 10 })).rejects.toMatchObject({
        code: 'replay/unreadable',
        message: `${packed()} unpacks to more than 1 MiB.`,
      });
    });

    it('is cut off anywhere', async () => {
      await save();
      const whole = readFileSync(packed());
      for (let end = 0; end < whole.length - 1; end += Math.ceil(whole.length / 40)) {
        writeFileSync(packed(), whole.subarray(0, end));
        expect(await problem(packed())).toMatchObject({ code: 'replay/unreadable' });
      }
      const tar = writeTar((await memoryRun()).files());
      for (const end of [0, 100, 512, 700, tar.length - 2048]) {
        writeFileSync(packed(), tar.subarray(0, end));
        expect(await problem(packed())).toMatchObject({ code: 'replay/unreadable' });
      }
      writeFileSync(packed(), whole.subarray(0, whole.length - 9));
      expect((await problem(packed())).message).toBe(`${packed()} is cut off.`);
    });

    it('is damaged, or something else', async () => {
      await save();
      const whole = readFileSync(packed());
      const middle = Math.floor(whole.length / 2);
      whole.fill(0xff, middle, middle + 20);
      writeFileSync(packed(), whole);
      expect((await problem(packed())).message).toContain('is damaged');
      writeFileSync(packed(), 'x'.repeat(2_000));
      expect((await problem(packed())).message).toContain('is not a tar archive');
      writeFileSync(packed(), gzipSync(Buffer.from('hello')));
      expect((await problem(packed())).message).toContain('is not a tar archive');
    });

    it.each([
      ['a link', (dir: string) => symlinkSync('/etc/passwd', join(dir, 'evil')), 'is not a plain file (type 2)'],
      ['a FIFO', (dir: string) => execFileSync('mkfifo', [join(dir, 'evil')]), 'is not a plain file (type 6)'],
    ])('holds %s', async (_name, add, message) => {
      await save();
      add(run);
      execFileSync('tar', ['-czf', packed(), '-C', run, '.']);
      expect((await problem(packed())).message).toContain(message);
    });

    it.each(['../evil', '/etc/evil', 'a/../../evil', 'evil\\..\\x'])(
      'holds a path that leads out: %s',
      async (path) => {
        writeFileSync(packed(), writeTar([{ path, bytes: bytes('x') }]));
        expect((await problem(packed())).message).toContain('which leads out of it');
      },
    );

    it('holds a file twice', async () => {
      const twice = { path: 'run.json', bytes: bytes('{}') };
      writeFileSync(packed(), writeTar([twice, twice]));
      expect((await problem(packed())).message).toContain('holds run.json twice');
    });
  });
});
