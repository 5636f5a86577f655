import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import type { Report } from '../../src/model/report.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';

/**
 * Field report 3b: what applications say during a rolling update, each from its own recording of real kernels (see the
 * scenarios of test/lab/scenarios/rollout.ts for what is imitated), and the cause that each gets.
 */
async function reportOf(name: string): Promise<Report> {
  const { record, evidence } = await loadRun(path.join(import.meta.dirname, name, 'run.tar.gz'));
  return judge(record, evidence, { collectors, parsers, rules });
}
const because = (report: Report, rule: string): string =>
  report.findings
    .filter((finding) => finding.rule === rule && finding.verdict === 'confirmed')
    .flatMap((finding) => finding.because.map(({ text }) => text))
    .join('\n');

const words = [
  {
    word: 'Connection refused',
    recording: 'rollout-refused',
    rule: 'rollout-endpoint-lag',
    says: /refused \d+ connects \(RST; .* The application sees "Connection refused"/,
  },
  {
    word: 'No route to host',
    recording: 'rollout-no-route',
    rule: 'rollout-endpoint-lag',
    says: /answered by ICMP host unreachable .* The application sees "No route to host"/,
  },
  {
    word: 'Connection timed out',
    recording: 'rollout-hung',
    rule: 'accept-queue-overflow',
    says: /SYNs to port 8080 got no answer/,
  },
  {
    word: 'Connection reset by peer',
    recording: 'rollout-reset',
    rule: 'backend-rst',
    says: /answered by RST without ACK .* the TCP of this node has no such connection/,
  },
] as const;

describe('field report 3b: four words of a rolling update, four causes', () => {
  it.each(words)('$word: $rule, and nothing else is confirmed', async ({ recording, rule, says }) => {
    const report = await reportOf(recording);
    expect(report.verdict).toBe('found');
    expect(report.findings.filter(({ verdict }) => verdict === 'confirmed').map((finding) => finding.rule)).toEqual([
      rule,
    ]);
    expect(because(report, rule)).toMatch(says);
  });

  it('only some backends are concerned: the report says that the others answer', async () => {
    for (const recording of ['rollout-refused', 'rollout-no-route'])
      expect(because(await reportOf(recording), 'rollout-endpoint-lag')).toMatch(
        /other backends of the Service were answered/,
      );
  });

  it('a backend that says nothing at all is no more than likely', async () => {
    const report = await reportOf('rollout-silent');
    const accusing = report.findings.filter(({ verdict }) => verdict === 'confirmed' || verdict === 'likely');
    expect(accusing.map(({ rule, verdict }) => [rule, verdict])).toEqual([['rollout-endpoint-lag', 'likely']]);
  });

  it('once the pods are exchanged each of them is clear', async () => {
    for (const { recording } of words) expect((await reportOf(`${recording}-mended`)).verdict, recording).toBe('clear');
  });

  it('what helps is said for its cause only: preStop and readiness for a lag, never for IPVS that keeps a drained server', async () => {
    const remedies = (await reportOf('rollout-refused')).findings
      .find(({ rule }) => rule === 'rollout-endpoint-lag')
      ?.remedies.map(({ text }) => text)
      .join('\n');
    expect(remedies).toMatch(/preStop/);
    expect(remedies).toMatch(/readinessProbe/);
    const ipvs = rules.get('ipvs-stale-rs')?.text.en;
    expect(ipvs?.kubernetes).toMatch(/preStop and longer grace periods do not help/);
  });
});
