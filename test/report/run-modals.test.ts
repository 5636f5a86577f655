import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { explainPlan } from '../../src/engine/explain.ts';
import { Report } from '../../src/model/report.ts';
import { planBlocks, ranBlocks } from '../../src/report/commands-blocks.ts';
import { evidenceBlocks, evidenceListBlocks } from '../../src/report/evidence-blocks.ts';
import { faultsInBlocks } from '../fakes/slack/validate-blocks.ts';

const cases = path.join(import.meta.dirname, '..', 'cases');
const names = readdirSync(cases, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const reportOf = (name: string): Report =>
  Report.parse(JSON.parse(readFileSync(path.join(cases, name, 'report.json'), 'utf8')));
const text = (blocks: readonly unknown[]): string => JSON.stringify(blocks);
const noBytes = { stdout: new Uint8Array(), stderr: new Uint8Array() };
const bytes = (stdout: string, stderr = '') => ({ stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) });

describe('what a modal shows of a run', () => {
  it.each(names)('%s: what ran and what was read are within what Slack takes, in both languages', (name) => {
    const report = reportOf(name);
    for (const language of ['en', 'zh'] as const) {
      for (const blocks of [ranBlocks(report, language), evidenceListBlocks(report, language, 'pick')]) {
        expect(faultsInBlocks(blocks, 100)).toEqual([]);
        expect(text(blocks).length).toBeLessThan(200_000);
      }
    }
    // Every output can be picked, under its own node.
    const options = [...text(evidenceListBlocks(report, 'en', 'pick')).matchAll(/"value":"(\d+)"/g)].map(([, at]) =>
      Number(at),
    );
    expect(options.toSorted((a, b) => a - b)).toEqual(report.evidence.map((_entry, index) => index));
  });

  it('names every command word for word, with when, as whom, for how long, and how it ended', async () => {
    const report = reportOf('tw-recycle');
    const ran = text(ranBlocks(report, 'en'));
    expect(ran).toContain('*node-50*  target');
    expect(ran).toMatch(/\[during · root · [\d.]+ m?s · [^\]]*\] [^\n]*tcpdump /);
    const { record } = await loadRun(path.join(cases, 'tw-recycle', 'run.tar.gz'));
    const planned = planBlocks(record.plan, explainPlan(record.plan, collectors), 'en');
    expect(faultsInBlocks(planned, 100)).toEqual([]);
    expect(text(planned)).toMatch(/\[during · root · ≤ [^\]]*\] [^\n]*tcpdump /);
    expect(text(planned)).toContain('Nothing is changed on a node');
    expect(text(planBlocks(record.plan, explainPlan(record.plan, collectors), 'zh'))).toContain('不会改动任何节点');
  });

  it('shows an output from the lines on that the findings point at, and marks them', () => {
    const report = reportOf('tw-recycle');
    const because = report.findings[0]?.because.find(({ line }) => line === 2);
    const entry = report.evidence.find(({ out }) => out === because?.evidence);
    if (entry === undefined) throw new Error('the finding points at nothing');
    const blocks = evidenceBlocks(report, entry, bytes('first\nsecond\nthird\n'), 'en');
    expect(text(blocks)).toContain('  first\\n▶ second\\n  third');
    const far = {
      ...report,
      findings: [{ ...report.findings[0], because: [{ text: '', evidence: entry.out, line: 500 }] }],
    };
    const long = Array.from({ length: 1000 }, (_, n) => `line ${n + 1}`).join('\n');
    const shown = text(evidenceBlocks(far as Report, entry, bytes(long), 'en'));
    expect(shown).toContain('… 494 more lines');
    expect(shown).toContain('  line 495\\n');
    expect(shown).toContain('▶ line 500\\n');
    expect(shown).not.toContain('line 700');
  });

  it('shows no packet, and says where the capture is', () => {
    const report = reportOf('tw-recycle');
    const entry = report.evidence.find(({ kind }) => kind === 'pcap');
    if (entry === undefined) throw new Error('no capture');
    const shown = text(evidenceBlocks(report, entry, bytes('SECRET PAYLOAD', 'listening on eth0'), 'en'));
    expect(shown).not.toContain('SECRET');
    expect(shown).toContain(entry.out);
    expect(shown).toContain('listening on eth0');
  });

  it('shows what a node said as text, whatever it is, and never more than fits', () => {
    const report = reportOf('tw-recycle');
    const [entry] = report.evidence;
    if (entry === undefined) throw new Error('no evidence');
    const nasty = '<!channel> <@U0BEN> ``` &<>\u001b[31m\u202e\0 <https://evil.example|x>';
    const one = text(evidenceBlocks(report, entry, bytes(nasty, nasty), 'en'));
    expect(one).not.toMatch(/<[!@h]|\\u001b|\u202e/);
    expect(one.match(/```/g)?.length).toBe(6);
    for (const big of [nasty.repeat(5000), `${nasty}\n`.repeat(5000), '&'.repeat(1_000_000)]) {
      const blocks = evidenceBlocks(report, entry, bytes(big, big), 'zh');
      expect(faultsInBlocks(blocks, 60)).toEqual([]);
    }
    expect(text(evidenceBlocks(report, entry, noBytes, 'en'))).toContain('It printed nothing.');
  });
});
