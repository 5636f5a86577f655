import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCachedReader } from '../../../src/adapters/ssh/cached-file.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'netcheck-cached-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('a file that is remembered', () => {
  it('is made once for all who ask, and again when it has changed', async () => {
    const file = path.join(directory, 'keys');
    let made = 0;
    const read = createCachedReader((bytes) => `${bytes.toString()} ${++made}`);
    await writeFile(file, 'one');
    expect(await Promise.all([read(file), read(file), read(file)])).toContain('one 1');
    const before = made;
    expect(await read(file)).toMatch(/^one /);
    expect(made).toBe(before);
    // Of the same length, and put in its place as ssh-keygen -R does.
    await writeFile(`${file}.new`, 'two');
    await rename(`${file}.new`, file);
    expect(await read(file)).toMatch(/^two /);
  });

  it('is no longer there once it is gone, and is read once it has come', async () => {
    const file = path.join(directory, 'comes');
    const read = createCachedReader((bytes) => bytes.toString());
    await expect(read(file)).rejects.toThrow('ENOENT');
    await writeFile(file, 'here');
    expect(await read(file)).toBe('here');
    await rm(file);
    await expect(read(file)).rejects.toThrow('ENOENT');
  });
});
