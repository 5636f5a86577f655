import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { loadRun } from './adapters/files/load-run.ts';
import { describeIssues, type Position, readYaml } from './config.ts';
import { type JudgeRegistries, judge } from './engine/judge.ts';
import { judgeRecorded } from './judge-recorded.ts';
import { type Plugins, readPlugins } from './load-plugins.ts';
import { IpAddress, Port } from './model/inventory.ts';
import { Role } from './model/plan.ts';
import type { Finding } from './model/report.ts';
import { Verdict } from './model/verdict.ts';
import { caseKinds, caseProblems, pageProblems, textProblems } from './rule-conventions.ts';

/** One case of a rule: outputs as nodes gave them, or a whole saved run, and what the rule has to say. */
const Case = z.strictObject({
  name: z
    .string()
    .regex(
      new RegExp(`^(?:${caseKinds.join('|')}): .`),
      `begins with ${caseKinds.map((kind) => `"${kind}: "`).join(', ')}`,
    ),
  verdict: Verdict,
  /** Pieces of the sentences that it gives. */
  says: z.array(z.string().min(1)).default([]),
  params: z.record(z.string(), z.unknown()).default({}),
  port: Port.default(1301),
  addresses: z.partialRecord(Role, IpAddress).default({}),
  evidence: z
    .array(
      z.strictObject({
        on: Role.default('target'),
        collector: z.string().min(1),
        kind: z.string().min(1),
        phase: z.enum(['once', 'before', 'during', 'after']).default('once'),
        argv: z.array(z.string()).default([]),
        status: z.number().int().min(0).max(255).default(0),
        /** What the command printed; or `file`, beside the case. */
        text: z.string().optional(),
        file: z.string().optional(),
        stderr: z.string().optional(),
      }),
    )
    .default([]),
  /** A saved run, beside the case: `run.tar.gz` or a directory. */
  run: z.string().optional(),
});
const Cases = z.array(Case).min(1);
type Case = z.infer<typeof Case>;

const defaultAddresses: Readonly<Record<Role, string>> = {
  target: '192.0.2.50',
  client: '192.0.2.12',
  forwarder: '192.0.2.1',
};

export interface PluginCheck {
  readonly plugins: Plugins;
  /** Cases that were judged. */
  readonly cases: number;
  /** `file:line: what is wrong`. Empty: the plug-in is as netcheck's own rules have to be. */
  readonly problems: readonly string[];
}

/**
 * Holds a directory of plug-ins to what netcheck's own rules are held to: loads it, looks for page and texts, and
 * judges its cases with the judge of a run.
 */
export async function checkPlugins(directory: string, own: JudgeRegistries): Promise<PluginCheck> {
  const refused: string[] = [];
  const plugins = await readPlugins([directory], own, (sentence) => refused.push(sentence));
  const registries: JudgeRegistries = {
    ...own,
    rules: new Map([...own.rules, ...plugins.rules]),
    collectors: new Map([...own.collectors, ...plugins.collectors]),
  };
  const problems = [...plugins.problems];
  let cases = 0;
  for (const [id, rule] of plugins.rules) {
    const file = plugins.files.get(`rules ${id}`) ?? '';
    const base = file.replace(/\.\w+$/, '');
    const shown = (one: string): string => path.relative('', one);
    problems.push(...textProblems(rule).map((one) => `${shown(file)}:1: ${one}`));
    if (existsSync(`${base}.md`))
      problems.push(
        ...pageProblems(id, readFileSync(`${base}.md`, 'utf8')).map((one) => `${shown(base)}.md:1: ${one}`),
      );
    else problems.push(`${shown(file)}:1: there is no page ${id}.md beside it`);
    const casesFile = `${base}.cases.yaml`;
    if (!existsSync(casesFile)) {
      problems.push(`${shown(file)}:1: there are no cases ${id}.cases.yaml beside it`);
      continue;
    }
    const read = readCases(casesFile, shown(casesFile));
    problems.push(...read.problems);
    if (read.problems.length > 0) continue;
    problems.push(...caseProblems(read.cases.map(({ name }) => name)).map((one) => `${shown(casesFile)}:1: ${one}`));
    for (const [index, one] of read.cases.entries()) {
      cases += 1;
      const { line } = read.positionOf([index]);
      const place = `${shown(casesFile)}:${line}: "${one.name}"`;
      try {
        const findings = await findingsOf(one, id, path.dirname(casesFile), registries);
        problems.push(...caseFailures(one, findings).map((sentence) => `${place}: ${sentence}`));
      } catch (error) {
        problems.push(`${place}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return { plugins, cases, problems: [...problems, ...refused] };
}

function readCases(
  file: string,
  shown: string,
): {
  readonly cases: readonly Case[];
  readonly problems: readonly string[];
  positionOf(path: readonly PropertyKey[]): Position;
} {
  const { value, positionOf, problems } = readYaml(readFileSync(file, 'utf8'));
  if (problems.length > 0)
    return {
      cases: [],
      positionOf,
      problems: problems.map(({ line, column, message }) => `${shown}:${line}:${column}: ${message}`),
    };
  const parsed = Cases.safeParse(value);
  if (parsed.success) return { cases: parsed.data, positionOf, problems: [] };
  const found = describeIssues(parsed.error.issues, shown, positionOf, Cases);
  return { cases: [], positionOf, problems: found };
}

/** What the rule finds in a case. */
async function findingsOf(
  one: Case,
  rule: string,
  directory: string,
  registries: JudgeRegistries,
): Promise<readonly Finding[]> {
  const rules = [{ rule, params: one.params }];
  const strange = one.evidence.find(({ kind }) => kind !== 'pcap' && !registries.parsers.has(kind));
  if (strange !== undefined)
    throw new Error(`no parser reads "${strange.kind}"; netcheck parse --help lists the kinds`);
  if (one.run !== undefined) {
    const { record, evidence } = await loadRun(path.resolve(directory, one.run));
    return judge({ ...record, language: 'en', plan: { ...record.plan, rules } }, evidence, registries).findings;
  }
  const roles = Role.options.filter((role) => role === 'target' || one.evidence.some(({ on }) => on === role));
  const addressOf = (role: Role): string => one.addresses[role] ?? defaultAddresses[role];
  return judgeRecorded(
    {
      target: { name: 'target', address: addressOf('target') },
      others: roles.filter((role) => role !== 'target').map((role) => ({ name: role, address: addressOf(role), role })),
      port: one.port,
      rules,
      outputs: one.evidence.map(({ on, text, file, stderr, ...rest }) => ({
        ...rest,
        node: on,
        stdout: file === undefined ? Buffer.from(text ?? '') : readFileSync(path.resolve(directory, file)),
        ...(stderr === undefined ? {} : { stderr }),
      })),
    },
    registries,
  ).findings;
}

/** What the name of a case promises. */
const promised: Readonly<Record<(typeof caseKinds)[number], readonly Verdict[]>> = {
  fires: ['confirmed', 'likely'],
  'stays silent': ['ruledOut', 'notApplicable'],
  'missing evidence': ['unknown', 'likely', 'ruledOut', 'notApplicable'],
};

const order: readonly Verdict[] = ['error', 'confirmed', 'likely', 'unknown', 'ruledOut', 'notApplicable'];

/** What of a case is not as it says, one sentence each. The gravest verdict of all nodes is the rule's. */
function caseFailures({ name, verdict, says }: Case, findings: readonly Finding[]): readonly string[] {
  const worst = [...findings].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict))[0];
  if (worst === undefined) return ['the rule was not asked: no node of the case has one of its roles'];
  const said = [...worst.because.map(({ text }) => text), ...worst.missing.map(({ fact, why }) => `${fact}: ${why}`)];
  const problems: string[] = [];
  const kind = caseKinds.find((one) => name.startsWith(`${one}: `)) ?? 'fires';
  if (!promised[kind].includes(verdict)) problems.push(`a case "${kind}" is ${promised[kind].join(' or ')}`);
  if (worst.verdict !== verdict) problems.push(`the verdict is ${worst.verdict}, not ${verdict} (${said.join('; ')})`);
  for (const piece of says)
    if (!said.some((text) => text.includes(piece))) problems.push(`it does not say "${piece}" but: ${said.join('; ')}`);
  if (worst.verdict === 'confirmed' && worst.remedies.length === 0) problems.push('it is confirmed and has no remedy');
  for (const { text } of worst.because.filter((one) => one.evidence === ''))
    problems.push(`"${text}" stands on no evidence`);
  return problems;
}
