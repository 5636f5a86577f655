import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..');
const source = path.join(root, 'src');

/** Rooms of the house and what each may import (design section 3). `node:` and npm packages are listed below. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  model: ['model'],
  collectors: ['model', 'collectors'],
  parsers: ['model', 'parsers'],
  packets: ['model', 'packets'],
  rules: ['model', 'rules'],
  report: ['model', 'report'],
  engine: ['model', 'collectors', 'parsers', 'packets', 'rules', 'engine'],
  'adapters/ssh': ['model', 'engine/ports', 'adapters/ssh'],
  'adapters/queue': ['model', 'engine/ports', 'adapters/queue'],
  'adapters/files': ['model', 'engine/ports', 'adapters/files'],
  'adapters/picture': ['model', 'engine/ports', 'adapters/picture'],
  'adapters/kubernetes': ['model', 'engine/ports', 'adapters/kubernetes'],
  'adapters/slack': ['model', 'engine/ports', 'report', 'adapters/slack'],
  'adapters/http': ['model', 'engine/ports', 'adapters/http'],
};

/** Packages outside the house. Rooms that are not here import none; `zod` is how the model writes its types. */
const packages: Readonly<Record<string, readonly string[]>> = {
  model: ['zod', 'node:events'],
  collectors: ['zod'],
  rules: ['zod'],
  report: ['zod'],
  'adapters/ssh': ['node:*', 'node-ssh', 'ssh2', 'zod'],
  'adapters/queue': ['node:*', 'bullmq', 'ioredis', 'zod'],
  'adapters/files': ['node:*', 'zod'],
  'adapters/picture': ['node:*', '@resvg/resvg-js'],
  'adapters/http': ['node:*', 'zod'],
  'adapters/kubernetes': ['node:*', 'yaml', 'zod'],
  'adapters/slack': [
    'node:*',
    '@slack/bolt',
    '@slack/web-api',
    '@slack/socket-mode',
    '@slack/types',
    '@slack/logger',
    'undici',
    'zod',
  ],
};

export interface SourceFile {
  /** Relative to src/, with `/`. */
  readonly file: string;
  readonly text: string;
}

/** Every import that the table does not allow, as `file -> import`. */
export function violations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ file, text }) => {
    const room = roomOf(file);
    if (room === undefined) return [];
    return importsOf(text).flatMap((specifier) => {
      if (specifier.startsWith('.')) {
        const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier)).replace(/\.ts$/, '');
        const fine = allowed[room]?.some((one) => target === one || target.startsWith(`${one}/`)) ?? false;
        return fine ? [] : [`${file} -> ${target}`];
      }
      const fine =
        packages[room]?.some(
          (one) =>
            one === specifier || specifier.startsWith(`${one}/`) || (one === 'node:*' && specifier.startsWith('node:')),
        ) ?? false;
      return fine ? [] : [`${file} -> ${specifier}`];
    });
  });
}

/** Entry points (src/*.ts) and the command line may import anything: they are where the house is put together. */
function roomOf(file: string): string | undefined {
  const [first = '', second = ''] = file.split('/');
  if (!file.includes('/') || first === 'commands') return undefined;
  return first === 'adapters' ? `adapters/${second}` : first;
}

function importsOf(text: string): readonly string[] {
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function sourceFiles(): readonly SourceFile[] {
  return readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const full = path.join(entry.parentPath, entry.name);
      return { file: path.relative(source, full).split(path.sep).join('/'), text: readFileSync(full, 'utf8') };
    });
}

describe('the import table', () => {
  const files = sourceFiles();

  it('looks at every room of the house', () => {
    for (const room of Object.keys(allowed))
      expect(files.filter(({ file }) => roomOf(file) === room).length, room).toBeGreaterThan(0);
    expect(files.reduce((sum, { text }) => sum + importsOf(text).length, 0)).toBeGreaterThan(100);
  });

  it('knows every room', () => {
    const rooms = new Set(files.flatMap(({ file }) => roomOf(file) ?? []));
    expect([...rooms].filter((room) => allowed[room] === undefined)).toEqual([]);
  });

  it('holds', () => {
    expect(violations(files)).toEqual([]);
  });

  it.each([
    ['rules/planted.ts', "import { readFileSync } from 'node:fs';", 'rules/planted.ts -> node:fs'],
    ['rules/planted.ts', "import { ss } from '../parsers/ss.ts';", 'rules/planted.ts -> parsers/ss'],
    ['engine/planted.ts', "import type { X } from '../adapters/ssh/x.ts';", 'engine/planted.ts -> adapters/ssh/x'],
    [
      'engine/planted.ts',
      "import {\n  a,\n  b,\n} from '../report/terminal.ts';",
      'engine/planted.ts -> report/terminal',
    ],
    ['adapters/ssh/planted.ts', "export { x } from '../queue/x.ts';", 'adapters/ssh/planted.ts -> adapters/queue/x'],
    [
      'adapters/queue/planted.ts',
      "import { run } from '../../engine/run.ts';",
      'adapters/queue/planted.ts -> engine/run',
    ],
    ['parsers/planted.ts', "const fs = await import('node:fs');", 'parsers/planted.ts -> node:fs'],
    ['packets/planted.ts', "import 'node:zlib';", 'packets/planted.ts -> node:zlib'],
  ])('catches %s with %j', (file, text, expected) => {
    expect(violations([{ file, text }])).toEqual([expected]);
  });
});

describe('house rules', () => {
  const files = sourceFiles();

  it('has no default export, no enum, no any and no barrel but the three registries', () => {
    const broken = files.flatMap(({ file, text }) => [
      ...(/^export default\b/m.test(text) ? [`${file}: default export`] : []),
      ...(/^(export )?(const )?enum\b/m.test(text) ? [`${file}: enum`] : []),
      ...(/(?:^|\/)utils?\b/.test(file) ? [`${file}: utils`] : []),
      ...(file.endsWith('/index.ts') && !['collectors/index.ts', 'parsers/index.ts', 'rules/index.ts'].includes(file)
        ? [`${file}: barrel`]
        : []),
      ...(/[A-Z_]/.test(path.basename(file)) ? [`${file}: not kebab-case`] : []),
    ]);
    expect(files.length).toBeGreaterThan(50);
    expect(broken).toEqual([]);
  });

  it('keeps run.ts on one screen', () => {
    const run = files.find(({ file }) => file === 'engine/run.ts');
    expect(run?.text.split('\n').length).toBeLessThanOrEqual(60);
  });

  it('names no machine path and no place of work in what is kept', () => {
    const kept = ['src', 'test', 'docs', 'playbooks', '.ci', 'deploy']
      .map((one) => path.join(root, one))
      .flatMap((directory) => {
        try {
          return readdirSync(directory, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile() && /\.(ts|mjs|md|yaml|yml|sh|json)$/.test(entry.name))
            .map((entry) => path.join(entry.parentPath, entry.name));
        } catch {
          return [];
        }
      });
    const pattern = new RegExp(['(^|[^A-Za-z0-9}.])', '/work', '/[A-Za-z.]'].join(''));
    expect(kept.length).toBeGreaterThan(50);
    expect(
      kept.filter((file) => pattern.test(readFileSync(file, 'utf8'))).map((file) => path.relative(root, file)),
    ).toEqual([]);
  });
});
