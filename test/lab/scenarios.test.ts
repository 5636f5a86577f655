import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Finding, Report } from '../../src/model/report.ts';
import { command, insideLab, type Lab, startLab, whyOutside } from './network.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import { plain } from './topologies.ts';

const skipped = insideLab ? '' : ` (skipped: ${whyOutside})`;
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** The question through the real command line: one process, real SSH, real packets. */
async function ask(lab: Lab, text: string): Promise<{ report: Report; status: number; stderr: string }> {
  const argv = [process.execPath, cli, '--config', lab.configFile, '--json', ...text.split(' ')];
  const { code, stdout, stderr } = await command(argv, { timeoutMs: 90_000 });
  let report: unknown;
  try {
    report = JSON.parse(stdout);
  } catch {
    throw new Error(`netcheck ${text}: exit ${code}, and no report:\n${stdout}${stderr}`);
  }
  return { report: Report.parse(report), status: code, stderr };
}

/** A finding as scenarios name it: on a node, or between two. */
const place = ({ rule, node, path }: Finding) => (path === undefined ? { rule, node } : { rule, path });

/** What a failure needs to be understood: every finding that is not "ruled out", with its reasons. */
function told(report: Report): string {
  const lines = report.findings
    .filter(({ verdict }) => verdict !== 'ruledOut' && verdict !== 'notApplicable')
    .flatMap(({ verdict, rule, node, title, because, missing }) => [
      `${verdict} ${rule} on ${node}: ${title}`,
      ...because.map(({ text }) => `    ${text}`),
      ...missing.map(({ fact, node: on, why }) => `    missing ${fact} of ${on}: ${why}`),
    ]);
  return [`${report.verdict}: ${report.headline}`, ...lines, ...report.unseen.map((text) => `unseen: ${text}`)].join(
    '\n',
  );
}

/** Processes of netcheck that are still on a node. */
async function leftOn(lab: Lab, node: string): Promise<string[]> {
  const { stdout } = await lab.node(node).exec(['ps', '-eo', 'stat=,args=']);
  return stdout.split('\n').filter((line) => !line.startsWith('Z') && /\btcpdump\b|\/dev\/tcp\//.test(line));
}

/** Mends whatever becomes of the question, so that the next scenario starts from a healthy network. */
async function brokenBy<T>(lab: Lab, scenario: Scenario, look: () => Promise<T>): Promise<T> {
  try {
    await lab.apply(scenario.break);
    return await look();
  } finally {
    await lab.apply(scenario.mend);
  }
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const definitions = [...new Set(scenarios.map(({ definition }) => definition))];

describe.skipIf(!insideLab)(`break, ask, expect, mend${skipped}`, () => {
  test('netcheck is built', () => {
    expect(existsSync(cli), 'dist/cli.js is missing: npm run build').toBe(true);
  });

  describe.each(definitions.map((definition) => ({ definition })))('$definition.name', ({ definition }) => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await startLab(definition);
    });
    afterAll(() => lab?.stop());
    const inIt = scenarios.filter((scenario) => scenario.definition === definition);

    test.each(inIt)('$id ($fault): $ask', async (scenario) => {
      const broken = await brokenBy(lab, scenario, () => ask(lab, scenario.ask));
      const { report } = broken;
      console.log(`${scenario.id}: ${report.verdict} after ${seconds(report.timing.tookMs)}`);
      const confirmed = report.findings.filter(({ verdict }) => verdict === 'confirmed');
      expect(confirmed.map(place), told(report)).toEqual(scenario.expect.confirmed);
      expect(report.verdict, told(report)).toBe(scenario.expect.verdict);
      expect(broken.status).toBe(scenario.expect.verdict === 'found' ? 1 : 0);
      const unreachable = report.nodes.filter(({ unseen }) => unseen !== undefined).map(({ name }) => name);
      expect(unreachable).toEqual(scenario.expect.unreachable ?? []);
      if (scenario.expect.remedy) {
        const { node, command: wanted } = scenario.expect.remedy;
        const temporary = confirmed.flatMap(({ remedies }) => remedies.filter(({ kind }) => kind === 'temporary'));
        expect(temporary.find((remedy) => remedy.node === node)?.commands).toContain(wanted);
      }

      for (const { node } of report.nodes.map(({ name }) => ({ node: name }))) {
        await expect.poll(() => leftOn(lab, node), { timeout: 5000 }).toEqual([]);
      }

      const mended = await ask(lab, scenario.ask);
      console.log(`${scenario.id}: ${mended.report.verdict} after ${seconds(mended.report.timing.tookMs)} once mended`);
      expect(mended.report.verdict, told(mended.report)).toBe('clear');
      expect(mended.status).toBe(0);
    });
  });

  test('an account without root, with the sudoers file that netcheck prints, sees the same', async () => {
    const { stdout: sudoers } = await command([process.execPath, cli, 'sudoers', 'netcheck']);
    const nodes = plain.nodes.map((node) =>
      node.management === undefined ? node : { ...node, login: { user: 'netcheck', sudoers } },
    );
    const lab = await startLab({ name: 'no-root', nodes });
    try {
      const scenario = scenarios.find(({ id }) => id === 'firewall-drop-nft');
      if (!scenario) throw new Error('there is no such scenario');
      const { report } = await brokenBy(lab, scenario, () => ask(lab, scenario.ask));
      const confirmed = report.findings.filter(({ verdict }) => verdict === 'confirmed');
      expect(confirmed.map(place), told(report)).toEqual(scenario.expect.confirmed);
      for (const name of ['node-12', 'node-50']) {
        await expect.poll(() => leftOn(lab, name), { timeout: 5000 }).toEqual([]);
      }
      const { report: mended } = await ask(lab, scenario.ask);
      expect(mended.verdict, told(mended)).toBe('clear');
    } finally {
      await lab.stop();
    }
  });
});
