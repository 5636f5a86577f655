import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command, insideLab, type Lab, startLab, whyOutside } from './network.ts';
import { cli, runScenario, startLabOf } from './run-scenario.ts';
import { scenarios } from './scenarios.ts';
import { plain } from './topologies.ts';

const skipped = insideLab ? '' : ` (skipped: ${whyOutside})`;
/** `NETCHECK_SCENARIOS`: ids, or `all`; without it those that `npm test` has time for. */
const wanted = process.env.NETCHECK_SCENARIOS?.split(',');
/** `NETCHECK_LANE`: `1/2` runs every other scenario, for two labs side by side. */
const [lane = 1, lanes = 1] = (process.env.NETCHECK_LANE ?? '1/1').split('/').map(Number);

const chosen = scenarios.filter(({ id, inTests }) =>
  wanted === undefined ? inTests : wanted.includes('all') || wanted.includes(id),
);
const definitions = [...new Set(chosen.map(({ definition }) => definition))];
// Guests take long to start: all that run on them are in one lane, namespaces fill the lanes evenly.
const inLane = chosen.filter(({ definition }, index) =>
  'start' in definition ? definitions.indexOf(definition) % lanes === lane - 1 : index % lanes === lane - 1,
);
const groups = await Promise.all(
  definitions.map(async (definition) => {
    const inIt = inLane.filter((scenario) => scenario.definition === definition);
    const blockers = inIt.length > 0 && insideLab && 'start' in definition ? await definition.blockers() : [];
    return { name: definition.name, definition, inIt, blockers: blockers.join('; ') };
  }),
);

const seconds = (ms: number | undefined) => (ms === undefined ? '?' : `${(ms / 1000).toFixed(1)} s`);

describe.skipIf(!insideLab)(`break, ask, expect, mend${skipped}`, () => {
  test('netcheck is built', () => {
    expect(existsSync(cli), 'dist/cli.js is missing: npm run build').toBe(true);
  });

  describe.each(groups.filter(({ inIt }) => inIt.length > 0))('$name', ({ definition, inIt, blockers }) => {
    describe.skipIf(blockers !== '')(blockers === '' ? 'can run' : `cannot run (skipped: ${blockers})`, () => {
      let lab: Lab;
      beforeAll(async () => {
        lab = await startLabOf({ definition });
      });
      afterAll(() => lab?.stop());

      test.each(inIt)('$id ($fault): $ask', async (scenario) => {
        const result = await runScenario(lab, scenario);
        console.log(`${scenario.id}: ${result.verdict} after ${seconds(result.tookMs)}`);
        expect(result.problems.join('\n')).toBe('');
      });
    });
  });

  const inOneLane = lane === 1 ? test : undefined;
  inOneLane?.('an account without root, with the sudoers file that netcheck prints, sees the same', async () => {
    const { stdout: sudoers } = await command([process.execPath, cli, 'sudoers', 'netcheck']);
    const { stdout: wrapper } = await command([process.execPath, cli, 'sudoers', 'netcheck', '--wrapper']);
    const nodes = plain.nodes.map((node) =>
      node.management === undefined ? node : { ...node, login: { user: 'netcheck', sudoers, wrapper } },
    );
    const lab = await startLab({ name: 'no-root', nodes });
    try {
      const scenario = scenarios.find(({ id }) => id === 'firewall-drop-nft');
      if (!scenario) throw new Error('there is no such scenario');
      expect((await runScenario(lab, scenario)).problems.join('\n')).toBe('');
    } finally {
      await lab.stop();
    }
  });
});
