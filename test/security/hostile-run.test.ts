import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { writeTar } from '../../src/adapters/files/tar.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import type { Report } from '../../src/model/report.ts';
import { parsers } from '../../src/parsers/index.ts';
import { evidenceBlocks } from '../../src/report/evidence-blocks.ts';
import { renderHtml } from '../../src/report/html.ts';
import { renderSlackReport } from '../../src/report/slack-blocks.ts';
import { renderTerminal } from '../../src/report/terminal.ts';
import { rules } from '../../src/rules/index.ts';
import { pingsOf } from '../fakes/slack/pings-of.ts';
import { hostileWords } from './hostile.ts';

// A run from somebody else: nothing of it is unpacked, and whatever it says, no place where it is shown obeys it.

const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-hostile-run-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One entry of a tar archive as nobody's tar would write it. */
function entry(change: {
  readonly type?: string;
  readonly size?: string;
  readonly name?: string;
  readonly body?: string;
}): Buffer {
  const tar = Buffer.from(writeTar([{ path: 'run.json', bytes: Buffer.from(change.body ?? '{}') }]));
  const header = tar.subarray(0, 512);
  if (change.name !== undefined) header.fill(0, 0, 100).write(change.name, 0, 'latin1');
  if (change.size !== undefined) header.write(change.size, 124, 'latin1');
  if (change.type !== undefined) header.write(change.type, 156, 'latin1');
  header.write('/etc/passwd', 157, 'latin1');
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return tar;
}

describe('a packed run of somebody else', () => {
  it.each([
    ['a hard link', { type: '1' }],
    ['a link', { type: '2' }],
    ['a character device', { type: '3' }],
    ['a block device', { type: '4' }],
    ['a FIFO', { type: '6' }],
    ['a sparse file', { type: 'S' }],
    ['a volume of many', { type: 'M' }],
    ['something nobody knows', { type: '!' }],
    ['a size beyond everything', { size: '77777777777\0' }],
    ['a size in base 256', { size: '\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff' }],
    ['a size that is no number', { size: 'zzzzzzzzzzz\0' }],
    ['a long name beyond everything', { type: 'L', size: '77777777777\0' }],
    ['a long name that leads out', { type: 'L', body: '../../evil\0' }],
    ['a header that leads out', { type: 'x', body: '20 path=../../evil\n' }],
    ['a header that never ends', { type: 'x', body: '999999999 path=x\n' }],
    ['a header with a length below nothing', { type: 'x', body: '-1 path=x\n' }],
    ['an absolute path', { name: '/etc/cron.d/x' }],
    ['a path that leads out', { name: 'a/../../x' }],
    ['a name with an end inside', { name: 'run.json\0/../../x' }],
  ] as const)('with %s is refused', async (_name, change) => {
    // what a long name or a header is about follows it
    const tar = Buffer.concat([
      entry(change).subarray(0, 1024),
      Buffer.from(writeTar([{ path: 'x', bytes: Buffer.from('x') }])),
    ]);
    const file = path.join(folder, 'run.tar.gz');
    writeFileSync(file, gzipSync(tar));
    await expect(loadRun(file)).rejects.toMatchObject({ code: expect.stringMatching(/^replay\//) as string });
  });
});

const silent = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;
/** Elements of a page, without the text between. */
const tags = (html: string): readonly string[] => [...html.matchAll(/<[a-zA-Z/!][^>]*>/g)].map(([tag]) => tag);

/** No place where a report is shown obeys anything in it. */
function expectHarmless(report: Report, shown?: Evidence): void {
  const terminal = renderTerminal(report, { colour: false });
  expect(silent.exec(terminal)?.[0]).toBeUndefined();

  const { text, blocks, plain } = renderSlackReport(report);
  const modal = shown === undefined ? [] : evidenceBlocks(report, shown.entry, shown, 'en');
  expect(pingsOf(`${text} ${plain}`, [...blocks, ...modal])).toEqual([]);
  expect(JSON.stringify([text, blocks, plain, modal])).not.toMatch(/<https?:\/\/evil|<#C0123/);

  const page = tags(renderHtml(report));
  expect(page.filter((tag) => /^<script/i.test(tag)).length).toBeLessThanOrEqual(1);
  expect(
    page.filter((tag) =>
      /^<(?:img|iframe|object|embed|link|base|form|input)\b|\son[a-z]+\s*=|javascript:|evil\.example/i.test(tag),
    ),
  ).toEqual([]);
}

describe('what nodes print', () => {
  it.each(['firewall-drop-iptables', 'dns-search-hijack', 'vxlan-fdb-missing', 'k8s-report-3a-svc'])(
    'acts nowhere that it is shown (%s)',
    async (name) => {
      const { record, evidence } = await loadRun(path.join(import.meta.dirname, '..', 'cases', name, 'run.tar.gz'));
      const texts = evidence.flatMap(({ entry: one, stdout }, index) =>
        one.kind === 'pcap' || stdout.length > 60_000 ? [] : [index],
      );
      const change = fc.record({
        output: fc.nat(texts.length - 1),
        at: fc.nat(),
        put: fc.constantFrom(...hostileWords),
      });
      fc.assert(
        fc.property(
          fc.array(change, { minLength: 5, maxLength: 60 }),
          fc.constantFrom(...hostileWords),
          (changes, words) => {
            const now: Evidence[] = [...evidence];
            for (const { output, at, put } of changes) {
              const index = texts[output] ?? 0;
              const one = now[index];
              if (one === undefined) continue;
              const parts = Buffer.from(one.stdout)
                .toString('utf8')
                .split(/(?<=[\s"/:,=])/);
              const place = at % parts.length;
              parts[place] = `${put}${/\s$/.exec(parts[place] ?? '')?.[0] ?? ''}`;
              now[index] = { ...one, stdout: Buffer.from(parts.join('')) };
            }
            const symptom = { ...record.plan.symptom, text: `${record.plan.symptom.text} ${words}` };
            const report = judge({ ...record, plan: { ...record.plan, symptom } }, now, { collectors, parsers, rules });

            const shown = now[texts[changes[0]?.output ?? 0] ?? 0];
            expectHarmless(report, shown);
          },
        ),
        { numRuns: 8 },
      );
    },
    30_000,
  );
});

describe('what packets hold', () => {
  it.each(['dns-5s', 'dns-search-hijack', 'dns-servfail'])('acts nowhere that it is shown (%s)', async (name) => {
    const { record, evidence } = await loadRun(path.join(import.meta.dirname, '..', 'cases', name, 'run.tar.gz'));
    // DNS keeps names as they are sent: whoever asks or answers writes what they like into them.
    const names = new Set<string>();
    for (const word of hostileWords) {
      let put = 0;
      const now = evidence.map((one): Evidence => {
        if (one.entry.kind !== 'pcap') return one;
        const bytes = Buffer.from(one.stdout);
        for (const { 0: label, index } of bytes
          .toString('latin1')
          .matchAll(/(?<=[\u0004-\u003f])[a-z][a-z0-9-]{3,62}/g)) {
          if (bytes[index - 1] !== label.length) continue;
          bytes.write(
            Buffer.from(word).toString('latin1').padEnd(label.length, '!').slice(0, label.length),
            index,
            'latin1',
          );
          put += 1;
        }
        return { ...one, stdout: bytes };
      });
      expect(put).toBeGreaterThan(0);
      const report = judge(record, now, { collectors, parsers, rules });
      names.add(JSON.stringify(report.findings));
      expectHarmless(report);
    }
    // they were read as names: the reports differ
    expect(names.size).toBeGreaterThan(1);
  });
});
