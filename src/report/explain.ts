import type { EvidenceEntry } from '../model/evidence.ts';
import type { Language } from '../model/language.ts';
import type { Plan } from '../model/plan.ts';
import { painter, type Style } from './ansi.ts';
import { durationText } from './duration-text.ts';
import { shellText } from './shell-text.ts';
import { sizeText } from './size-text.ts';
import { symptomText } from './symptom-text.ts';
import { renderTable, type TableCell, type TableColumn } from './table.ts';
import { visible } from './visible-report.ts';
import { wording } from './wording.ts';
import { wrapText } from './wrap-text.ts';

/** One command as it would run. The engine's `ExplainedStep` fits. */
export interface ExplainStep {
  readonly node: string;
  readonly phase: EvidenceEntry['phase'];
  readonly argv: readonly string[];
  readonly privilege: 'none' | 'root';
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** What it depends on: "skipped where it would load …". */
  readonly note?: string;
}

export interface ExplainOptions {
  /** Columns; default 80, at least 40. Commands are longer where they must be. */
  readonly width?: number;
  readonly colour?: boolean;
  readonly language?: Language;
}

/**
 * Renders a plan for `--explain`: the question, then node by node why it is in the run and every command that would
 * run there, word for word, with its privilege, its bounds and when; then rules and the bounds of the whole run. No
 * line feed at the end.
 */
export function renderExplain(
  planGiven: Plan,
  stepsGiven: readonly ExplainStep[],
  options: ExplainOptions = {},
): string {
  const { colour = false, language = 'en' } = options;
  const width = Math.max(40, Math.floor(options.width ?? 80));
  const plan = visible(planGiven);
  const steps = visible(stepsGiven);
  const words = wording[language];
  const say = words.explain;
  const paint = painter(colour);
  const lines: string[] = [];
  const add = (text: string, indent: number, ...style: readonly Style[]) => {
    for (const line of wrapText(text, width - indent)) lines.push(' '.repeat(indent) + paint(line, ...style));
  };

  add(say.title, 0, 'bold');
  add(symptomText(plan.symptom, language), 0);
  const isOfNode = plan.symptom.about === 'node';
  if (!isOfNode)
    add(
      `${say.target}${words.colon}${plan.targetAddress} ${words.port} ${plan.symptom.port}/${plan.symptom.protocol}`,
      0,
    );
  const chosen = plan.playbooks.map((playbook) => {
    const choice = plan.choice.find((one) => one.playbook === playbook);
    return choice === undefined
      ? playbook
      : `${playbook} (${say.chosenBy[choice.by]}${choice.word === undefined ? '' : ` "${choice.word}"`})`;
  });
  add(`${say.playbooks}${words.colon}${chosen.join(words.list)}`, 0);
  for (const { playbook, seen, steps: more, rules } of plan.mayJoin)
    add(
      say.mayJoin({
        playbook,
        seen: seen.map((what) => say.seen[what]).join(words.list),
        collectors: [...new Set(more.map(({ collector }) => collector))].join(words.list),
        rules: rules.length,
      }),
      2,
      'dim',
    );
  const onward = [...new Set((plan.onward ?? []).map(({ collector }) => collector))];
  if (onward.length > 0) add(say.onward(onward.join(words.list)), 2, 'dim');

  const columns: readonly TableColumn[] = [
    { header: say.whenColumn },
    { header: say.privilegeColumn },
    { header: say.boundColumn, align: 'right' },
    { header: '', align: 'right' },
    // Word for word, so that it can be read and copied as it is.
    { header: say.commandColumn, fit: 'never' },
  ];
  const rowsOf = (step: ExplainStep): TableCell[][] => [
    [
      words.evidencePhase[step.phase],
      { text: say.privilege[step.privilege], style: ['yellow'] },
      `≤ ${durationText(step.timeoutMs, language)}`,
      `≤ ${sizeText(step.maxBytes)}`,
      { text: shellText(step.argv), style: ['cyan'] },
    ],
    ...(step.note === undefined ? [] : wrapText(`# ${step.note}`, Math.max(16, width - 40))).map((line) => [
      '',
      '',
      '',
      '',
      { text: line, style: ['dim'] as const },
    ]),
  ];

  for (const { node, roles, address, why } of plan.nodes) {
    lines.push('');
    add(`${node.name}  ${roles.map((role) => words.role[role]).join(words.list)}  ${address}`, 0, 'bold');
    add(`${say.why}${words.colon}${why}`, 2, 'dim');
    const own = steps.filter((step) => step.node === node.name);
    if (own.length === 0) {
      add(say.noCommands, 2, 'yellow');
      continue;
    }
    lines.push(renderTable(columns, own.flatMap(rowsOf), { width, colour, indent: 2 }));
  }
  if (plan.externalClients.length > 0) {
    lines.push('');
    add(say.outsideClients(plan.externalClients.join(words.list)), 0);
  }
  lines.push('');
  add(`${say.rules}${words.colon}${[...new Set(plan.rules.map(({ rule }) => rule))].join(words.list)}`, 0);
  const { budget } = plan;
  const bounds = [
    `${say.wall} ${durationText(budget.wallMs, language)}`,
    ...(isOfNode
      ? []
      : [
          `${say.window} ${durationText(budget.windowMs, language)}`,
          say.capture({ packets: String(budget.maxPackets), bytes: sizeText(budget.maxCaptureBytes) }),
        ]),
    say.commands(steps.length),
  ];
  add(`${say.bound}${words.colon}${bounds.join(words.semicolon)}`, 0);
  lines.push('');
  add(say.nothingChanges, 0, 'bold');
  add(say.nothingRan, 0);
  return lines.join('\n');
}
