import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { AnyRule } from '../src/model/rule.ts';
import { readPage } from '../src/report/read-page.ts';
import { rules } from '../src/rules/index.ts';
import { scenarios } from '../test/lab/scenarios.ts';

/** One entry of faults.yaml: `why` where no rule names the fault, and only there. */
export const Fault = z.strictObject({
  id: z.string().regex(/^F\d{2,3}$/),
  name: z.string().min(1),
  why: z.string().min(20).optional(),
});
export type Fault = z.infer<typeof Fault>;

const root = path.join(import.meta.dirname, '..');

export function readFaults(): readonly Fault[] {
  return z.array(Fault).parse(parse(readFileSync(path.join(import.meta.dirname, 'faults.yaml'), 'utf8')));
}

/** What is wrong between the list of faults and the rules, one sentence each. */
export function faultProblems(
  faults: readonly Fault[],
  found: readonly Pick<AnyRule, 'id' | 'fault'>[],
): readonly string[] {
  const known = new Set(faults.map(({ id }) => id));
  const named = new Set(found.map(({ fault }) => fault));
  return [
    ...faults
      .filter(({ id, why }) => !named.has(id) && why === undefined)
      .map(({ id }) => `${id} has neither a rule nor a reason why not (docs/faults.yaml)`),
    ...faults
      .filter(({ id, why }) => named.has(id) && why !== undefined)
      .map(({ id }) => `${id} has a rule, and docs/faults.yaml still says why it has none: take that line out`),
    ...faults
      .filter(({ id }, index) => faults.findIndex((one) => one.id === id) < index)
      .map(({ id }) => `${id} twice`),
    ...found
      .filter(({ fault }) => fault !== '-' && !known.has(fault))
      .map(({ id, fault }) => `the rule ${id} names ${fault}, which is not in docs/faults.yaml`),
  ];
}

/** Rules of a recorded run's report that accuse somebody, by case. */
function goldenCases(): ReadonlyMap<string, readonly string[]> {
  const Accusing = z.object({ findings: z.array(z.object({ rule: z.string(), verdict: z.string() })) });
  const directory = path.join(root, 'test', 'cases');
  return new Map(
    readdirSync(directory)
      .sort()
      .flatMap((name) => {
        const file = path.join(directory, name, 'report.json');
        if (!existsSync(file)) return [];
        const { findings } = Accusing.parse(JSON.parse(readFileSync(file, 'utf8')));
        const accusing = findings.filter(({ verdict }) => verdict === 'confirmed' || verdict === 'likely');
        return [[name, accusing.map(({ rule }) => rule)] as const];
      }),
  );
}

/** Test files of recordings and of the practice network that name a rule, beside those that run whole registries. */
function recordingsNaming(id: string): readonly string[] {
  return ['test/cases', 'test/lab', 'test/lab/uml']
    .flatMap((directory) =>
      readdirSync(path.join(root, directory))
        .filter((file) => file.endsWith('.test.ts') && file !== 'scenarios.test.ts')
        .map((file) => `${directory}/${file}`),
    )
    .filter((file) => new RegExp(`['"\`]${id}['"\`]`).test(readFileSync(path.join(root, file), 'utf8')));
}

/** Ids of rules anywhere below `value`, under the key `rule`. */
function rulesIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) =>
    key === 'rule' && typeof one === 'string' ? [one] : rulesIn(one),
  );
}

const isOfFault = (text: string, fault: string): boolean => new RegExp(`\\b${fault}\\b`).test(text);
const code = (list: readonly string[]): string => list.map((one) => `\`${one}\``).join(', ');

/** The verdict that a rule can come to at best, and the evidence for it, from the table of its page. */
function bestVerdict({ id }: AnyRule): { readonly verdict: string; readonly evidence: string } {
  const file = path.join(import.meta.dirname, 'rules', `${id}.md`);
  const blocks = existsSync(file) ? (readPage(readFileSync(file, 'utf8')).sections.get('What decides it') ?? []) : [];
  const rows = blocks.flatMap((block) => (block.kind === 'table' ? block.rows : []));
  const [verdict = '', evidence = ''] =
    ['confirmed', 'likely'].flatMap((wanted) => rows.filter(([first]) => first === `\`${wanted}\``)).at(0) ?? [];
  return { verdict: verdict.replaceAll('`', '') || 'likely', evidence };
}

function needsOf(rule: AnyRule): string {
  if (rule.scope === 'capture')
    return rule.optional === undefined ? 'one capture, by packets alone' : `one capture; reads ${code(rule.optional)}`;
  const [where, needs] =
    rule.scope === 'path'
      ? ['the path', [...new Set([...rule.needs.client, ...rule.needs.target])]]
      : [rule.roles.join(', '), rule.needs];
  const parts = [
    needs.length > 0 ? `needs ${code(needs)}` : '',
    rule.optional.length > 0 ? `reads ${code(rule.optional)}` : '',
  ];
  return `${where}; ${parts.filter(Boolean).join('; ')}`;
}

function partOf(rule: AnyRule, golden: ReadonlyMap<string, readonly string[]>): string {
  const { verdict, evidence } = bestVerdict(rule);
  const cases = [...golden].flatMap(([name, accusing]) => (accusing.includes(rule.id) ? [name] : []));
  const live = scenarios.filter(({ expect }) => rulesIn(expect).includes(rule.id)).map(({ id }) => id);
  const tested = [
    `[unit](../test/rules/${rule.id}.test.ts)`,
    ...(cases.length > 0 ? [`golden ${code(cases)}`] : []),
    ...(live.length > 0 ? [`live ${code(live)}`] : []),
    ...recordingsNaming(rule.id).map((file) => `[${path.basename(file, '.test.ts')}](../${file})`),
  ];
  return [
    `- [\`${rule.id}\`](rules/${rule.id}.md) (${needsOf(rule)})`,
    `  - \`${verdict}\`${evidence === '' ? '' : `: ${evidence}`}`,
    `  - tested: ${tested.join('; ')}`,
  ].join('\n');
}

/** `docs/faults.md`: fault by fault, which rule decides it, by what, how that is tested, or why not. */
export function faultsPage(): string {
  const golden = goldenCases();
  const all = [...rules.values()];
  const faults = readFaults().map((fault) => ({ ...fault, rules: all.filter((rule) => rule.fault === fault.id) }));
  const decided = faults.filter((fault) => fault.rules.length > 0);
  const confirmable = decided.filter((fault) => fault.rules.some((rule) => bestVerdict(rule).verdict === 'confirmed'));
  const inGolden = decided.filter((fault) =>
    [...golden.values()].some((accusing) => fault.rules.some(({ id }) => accusing.includes(id))),
  );
  const live = decided.filter((fault) =>
    scenarios.some(
      (scenario) =>
        isOfFault(JSON.stringify(scenario.fault), fault.id) ||
        fault.rules.some(({ id }) => rulesIn(scenario.expect).includes(id)),
    ),
  );
  const parts = faults.map(({ id, name, why, rules: own }) => {
    const text =
      own.length > 0
        ? own.map((rule) => partOf(rule, golden)).join('\n')
        : `Not decided. ${why ?? 'No reason is given.'}`;
    return `## ${id} ${name}\n\n${text}\n`;
  });
  const none = all.filter(({ fault }) => fault === '-');
  return [
    '<!-- Generated by `npm run docs` from faults.yaml, the rules, their pages and their tests; do not edit. -->',
    '# Faults',
    '',
    'Every fault of the catalogue: the rules that name it, what they need, the best verdict that they can come to and the evidence for it, and how that is tested (`golden`: a recorded run whose report is held byte for byte; `live`: broken on a real kernel, named, mended). Where no rule names it, why not.',
    '',
    '| | |',
    '| --- | --- |',
    `| faults | ${faults.length} |`,
    `| with a rule | ${decided.length} |`,
    `| that a rule can confirm | ${confirmable.length} |`,
    `| in a recorded run | ${inGolden.length} |`,
    `| live on the practice network | ${live.length} |`,
    `| not decided | ${faults.length - decided.length} |`,
    '',
    ...parts,
    '## Rules that stand for no single fault',
    '',
    ...none.map((rule) => partOf(rule, golden)),
    '',
  ].join('\n');
}
