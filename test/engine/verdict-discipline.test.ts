import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import type { Finding, Report } from '../../src/model/report.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';
import { expectationOf } from '../cases/expectation-of.ts';

const cases = path.join(import.meta.dirname, '..', 'cases');
const recorded = readdirSync(cases, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const broken = recorded.filter((name) => recorded.includes(`${name}-mended`));
const registries = { collectors, parsers, rules };
const causesOf = (name: string): number =>
  (JSON.parse(readFileSync(path.join(cases, name, 'report.json'), 'utf8')) as Report).findings.filter(
    ({ verdict }) => verdict === 'confirmed',
  ).length;
/** Some recordings have two causes of their own, or only a likely one. */
const single = broken.filter((name) => causesOf(name) === 1);
const load = (name: string) => loadRun(path.join(cases, name, 'run.tar.gz'));

const said = ({ rule, node, path: way, verdict, because, missing }: Finding) => ({
  rule,
  node,
  way,
  verdict,
  because,
  missing,
});
const places = ({ findings }: Report, verdict: Finding['verdict']): readonly string[] =>
  findings.filter((one) => one.verdict === verdict).map(({ rule, node }) => `${rule} ${node}`);

describe('a confirmed cause', () => {
  it('is looked at in enough recordings', () => {
    expect(single.length).toBeGreaterThan(15);
  });

  it.each(broken)('%s: lowers nothing else: without its rule every other finding is the same', async (name) => {
    const { record, evidence } = await load(name);
    const whole = judge(record, evidence, registries);
    const confirmed = whole.findings.filter(({ verdict }) => verdict === 'confirmed');
    expect(confirmed).toHaveLength(causesOf(name));
    const causes = new Set(confirmed.map(({ rule }) => rule));
    for (const cause of causes) {
      const plan = { ...record.plan, rules: record.plan.rules.filter(({ rule }) => rule !== cause) };
      const without = judge({ ...record, plan }, evidence, registries);
      expect(without.findings.map(said)).toEqual(whole.findings.filter(({ rule }) => rule !== cause).map(said));
    }
  });

  it.each(single)(
    '%s: stands alone: nothing else is confirmed, and what is likely beside it is about another place',
    async (name) => {
      const { record, evidence } = await load(name);
      const { findings } = judge(record, evidence, registries);
      const confirmed = findings.filter(({ verdict }) => verdict === 'confirmed');
      expect(confirmed.map(({ rule }) => rule)).toHaveLength(1);
      const [cause] = confirmed;
      // the scenario of a recording may say, with its reason, that something less is true at the same place as well
      const { mayBeLikely = [] } = expectationOf(name);
      const beside = findings.filter(
        ({ verdict, node, rule }) =>
          verdict === 'likely' && node === cause?.node && !mayBeLikely.some((one) => one.rule === rule),
      );
      expect(beside.map(({ rule }) => rule)).toEqual([]);
    },
  );

  it.each(broken)('%s: is found in whatever order the rules are asked', async (name) => {
    const { record, evidence } = await load(name);
    const plan = { ...record.plan, rules: record.plan.rules.toReversed() };
    const key = ({ rule, node, verdict }: Finding): string => `${verdict} ${rule} ${node}`;
    const forwards = judge(record, evidence, registries);
    const backwards = judge({ ...record, plan }, evidence, registries);
    expect(backwards.findings.map(key).toSorted()).toEqual(forwards.findings.map(key).toSorted());
    expect(backwards.verdict).toBe(forwards.verdict);
    // of two causes the one that was asked first is the headline
    if (single.includes(name)) expect(backwards.headline).toBe(forwards.headline);
  });
});

/** What one recording has of some nodes, beside what another has of the others: both faults in one window. */
async function together(first: string, nodesOfFirst: readonly string[], second: string): Promise<Report> {
  const one = await load(first);
  const other = await load(second);
  const isFirst = (node: string): boolean => nodesOfFirst.includes(node);
  const known = new Set(one.record.plan.rules.map(({ rule }) => rule));
  const plan = {
    ...one.record.plan,
    rules: [...one.record.plan.rules, ...other.record.plan.rules.filter(({ rule }) => !known.has(rule))],
  };
  return judge(
    { ...one.record, plan },
    [
      ...one.evidence.filter(({ entry }) => isFirst(entry.node)),
      ...other.evidence.filter(({ entry }) => !isFirst(entry.node)),
    ],
    registries,
  );
}

describe('two faults at once', () => {
  it.each([
    ['ephemeral-exhaustion', ['node-12'], 'close-wait', ['ephemeral-exhaustion node-12', 'close-wait node-50']],
    ['ephemeral-exhaustion', ['node-12'], 'fd-exhaustion', ['ephemeral-exhaustion node-12', 'fd-exhaustion node-50']],
    ['firewall-output-drop', ['node-12'], 'fd-exhaustion', ['fw-output-drop node-12', 'fd-exhaustion node-50']],
    ['firewall-output-drop', ['node-12'], 'port-closed', ['fw-output-drop node-12', 'port-closed node-50']],
  ] as const)(
    '%s at %j beside %s: both are found, with one headline, the causes first',
    async (first, nodes, second, both) => {
      const report = await together(first, nodes, second);
      expect(report.verdict).toBe('found');
      expect([...places(report, 'confirmed')].toSorted()).toEqual([...both].toSorted());
      const [headline, ...others] = report.findings;
      expect(report.headline).toBe(`${headline?.node}: ${headline?.title}`);
      expect(others.length).toBeGreaterThan(5);
      const order: readonly Finding['verdict'][] = [
        'confirmed',
        'likely',
        'unknown',
        'error',
        'ruledOut',
        'notApplicable',
      ];
      const ranks = report.findings.map(({ verdict }) => order.indexOf(verdict));
      expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
    },
  );
});
