import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..', '..', '..');

/** Characters that a TrueType font has glyphs for (OpenType `cmap`, formats 4 and 12). */
function charactersOf(file: string): ReadonlySet<number> {
  const font = readFileSync(path.join(root, 'fonts', file));
  const found = new Set<number>();
  const tables = font.readUInt16BE(4);
  for (let table = 0; table < tables; table += 1) {
    const record = 12 + table * 16;
    if (font.toString('latin1', record, record + 4) !== 'cmap') continue;
    const cmap = font.readUInt32BE(record + 8);
    for (let encoding = 0; encoding < font.readUInt16BE(cmap + 2); encoding += 1) {
      const at = cmap + font.readUInt32BE(cmap + 4 + encoding * 8 + 4);
      const format = font.readUInt16BE(at);
      if (format === 12)
        for (let group = 0; group < font.readUInt32BE(at + 12); group += 1) {
          const first = font.readUInt32BE(at + 16 + group * 12);
          const last = font.readUInt32BE(at + 20 + group * 12);
          for (let code = first; code <= last; code += 1) found.add(code);
        }
      if (format === 4) {
        const twice = font.readUInt16BE(at + 6);
        for (let segment = 0; segment < twice; segment += 2) {
          const last = font.readUInt16BE(at + 14 + segment);
          const first = font.readUInt16BE(at + 16 + twice + segment);
          for (let code = first; code <= last && code !== 0xffff; code += 1) found.add(code);
        }
      }
    }
  }
  return found;
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

describe('the fonts of pictures', () => {
  it('have every Chinese character that netcheck says', () => {
    const has = charactersOf('NotoSansSC-Regular.ttf');
    const said = new Set(
      ['src', 'playbooks']
        .flatMap(filesBelow)
        .flatMap((file) => readFileSync(file, 'utf8').split('').filter(isChinese)),
    );
    expect(said.size).toBeGreaterThan(500);
    expect([...said].filter((character) => !has.has(character.codePointAt(0) ?? 0)).join('')).toBe('');
  });

  it.each(['DejaVuSansMono.ttf', 'DejaVuSansMono-Bold.ttf'])('%s has what ladders are drawn with', (file) => {
    const has = charactersOf(file);
    expect(
      'SYN ACK 0123456789 :.→←×µ…±·é'.split('').filter((character) => !has.has(character.codePointAt(0) ?? 0)),
    ).toEqual([]);
    expect(has.has('客'.codePointAt(0) ?? 0), 'it looks at nothing').toBe(false);
  });
});

function isChinese(character: string): boolean {
  return /[\u3400-\u9fff\u3000-\u303f\uff01-\uff60]/.test(character);
}
