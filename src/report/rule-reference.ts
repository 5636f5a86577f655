import type { FactName } from '../model/facts.ts';
import type { Role } from '../model/plan.ts';
import type { RemedyNote } from '../model/remedy-note.ts';
import type { AnyRule } from '../model/rule.ts';
import { Verdict } from '../model/verdict.ts';
import type { Style } from './ansi.ts';
import { type Page, type PageBlock, plainText } from './read-page.ts';
import { type ReferenceWords, referenceWords } from './reference-words.ts';
import { renderTable } from './table.ts';
import type { TerminalOptions } from './terminal.ts';
import { TextPage } from './text-page.ts';

/** A fact that a rule reads, and who gives it. */
export interface FactUse {
  readonly fact: FactName;
  /** For rules on a path: at which end. */
  readonly role?: Role;
  readonly givenBy: readonly string[];
}

/** Everything that is known of one rule, for a person and for `--json`. */
export interface RuleReference {
  readonly id: string;
  readonly fault: string;
  readonly title: string;
  readonly scope: AnyRule['scope'];
  readonly roles: readonly Role[];
  readonly needs: readonly FactUse[];
  readonly canUse: readonly FactUse[];
  readonly parameters: readonly Parameter[];
  readonly playbooks: readonly string[];
  readonly sources: readonly string[];
  /** Part of netcheck itself, and not of a plug-in. */
  readonly isOwn: boolean;
  /** What the team adds to its remedies. */
  readonly remedyNotes: readonly RemedyNote[];
}

export interface Parameter {
  readonly name: string;
  /** As JSON; absent where it has to be given. */
  readonly default?: unknown;
}

type Options = TerminalOptions & Required<Pick<TerminalOptions, 'language'>>;

/** Verdicts as they are painted everywhere. */
const verdictStyle: Readonly<Record<string, readonly Style[]>> = {
  confirmed: ['bold', 'red'],
  likely: ['bold', 'yellow'],
  unknown: ['yellow'],
};

export function judgesText(
  { scope, roles }: Pick<RuleReference, 'scope' | 'roles'>,
  words: ReferenceWords,
  page: TextPage,
): string {
  return scope === 'node' ? roles.map((role) => page.words.role[role]).join(page.words.list) : words.scope[scope];
}

/** One rule, with its page of `docs/rules/`, for a terminal. */
export function renderRuleReference(rule: RuleReference, written: Page | undefined, options: Options): string {
  const words = referenceWords[options.language];
  const page = new TextPage(options);
  const { colon } = page.words;
  page.text(`${rule.id}${colon}${rule.title}`, { lead: rule.id, leadStyle: ['bold', 'cyan'], style: ['bold'] });
  page.text(`${rule.fault === '-' ? '' : `${rule.fault} · `}${words.judges}${colon}${judgesText(rule, words, page)}`, {
    style: ['dim'],
  });
  if (written === undefined) page.text(words.noPage);
  else if (words.pageLanguage !== '') page.text(words.pageLanguage, { style: ['dim'] });

  const before = ['What it is', 'How people describe it'];
  const section = (heading: string): void => {
    const blocks = written?.sections.get(heading);
    if (blocks === undefined || heading === '') return;
    page.section(words.headings[heading] ?? heading);
    for (const block of blocks) renderBlock(page, block);
  };
  for (const heading of before) section(heading);

  page.section(words.needs);
  const uses = [
    ...rule.needs.map((use) => ({ use, how: words.mustHave })),
    ...rule.canUse.map((use) => ({ use, how: words.canUse })),
  ];
  if (rule.needs.length === 0) page.text(words.needsNothing, { indent: 2 });
  if (uses.length > 0)
    page.raw(
      renderTable(
        [{ header: '' }, { header: words.fact }, { header: words.givenBy }],
        uses.map(({ use, how }, index) => [
          how === uses[index - 1]?.how ? '' : { text: how, style: ['dim'] as const },
          use.role === undefined ? use.fact : `${use.fact} (${page.words.role[use.role]})`,
          { text: use.givenBy.join(page.words.list), style: ['dim'] as const },
        ]),
        { width: page.width, colour: page.colour, indent: 2 },
      ).split('\n'),
    );
  if (rule.parameters.length > 0)
    page.text(`${words.parameters}${colon}${rule.parameters.map(parameterText).join(page.words.list)}`, {
      indent: 2,
      lead: words.parameters,
      leadStyle: ['dim'],
    });

  for (const heading of written?.sections.keys() ?? []) if (!before.includes(heading)) section(heading);
  if (written === undefined) {
    page.section(words.headings['Sources'] ?? 'Sources');
    for (const source of rule.sources) page.item(source);
  }

  if (rule.remedyNotes.length > 0) page.section(words.ownNotes);
  for (const { kind, text, commands } of rule.remedyNotes) {
    const lead = page.words.remedy[kind];
    page.item(`${lead}${colon}${typeof text === 'string' ? text : text[options.language]}`, {
      indent: 2,
      lead,
      leadStyle: ['bold'],
    });
    page.commands(commands, ['cyan']);
  }

  page.section(words.usedBy);
  const places = [...rule.playbooks, ...(rule.scope === 'capture' && rule.isOwn ? [words.alsoPcap] : [])];
  page.text(places.length > 0 ? places.join(page.words.list) : words.nowhere, { indent: 2 });
  return page.end();
}

export function parameterText({ name, default: value }: Parameter): string {
  return value === undefined ? name : `${name} (${typeof value === 'string' ? value : JSON.stringify(value)})`;
}

/** A verdict as reports say it, with the word that stands in `--json` where that is another one. */
function verdictText(cell: string, { words }: TextPage): string {
  const verdict = Verdict.safeParse(cell);
  const said = verdict.success ? words.finding[verdict.data] : cell;
  return said.toLowerCase() === cell.toLowerCase() ? cell : `${said} ${cell}`;
}

function renderBlock(page: TextPage, block: PageBlock): void {
  if (block.kind === 'text') page.text(plainText(block.text), { indent: 2 });
  else if (block.kind === 'code') page.commands(block.lines, ['cyan']);
  else if (block.kind === 'list')
    for (const item of block.items) {
      const text = plainText(item);
      const lead = /^[^:：]{1,24}(?=[:：])/.exec(text)?.[0] ?? '';
      page.item(text, { indent: 2, lead, leadStyle: ['bold'] });
    }
  else {
    const columns = Math.max(1, ...block.rows.map((row) => row.length));
    page.raw(
      renderTable(
        Array.from({ length: columns }, () => ({ header: '' })),
        block.rows.map((row) =>
          row.map((cell, index) => {
            const text = plainText(cell);
            return index === 0
              ? { text: verdictText(text, page), style: verdictStyle[text] ?? (['bold'] as const) }
              : text;
          }),
        ),
        { width: page.width, colour: page.colour, indent: 2, header: false },
      ).split('\n'),
    );
  }
}

/** Below this width the titles need the room of the column that says who is judged. */
const wideEnough = 100;

/** All rules in their order, one line each. */
export function renderRuleList(rules: readonly RuleReference[], options: Options): string {
  const words = referenceWords[options.language];
  const page = new TextPage(options);
  const judges = page.width >= wideEnough;
  page.raw(
    renderTable(
      [
        { header: words.rule, fit: 'never' as const },
        { header: words.fault },
        ...(judges ? [{ header: words.judges }] : []),
        { header: words.finds },
      ],
      rules.map((rule) => [
        { text: rule.id, style: ['bold'] as const },
        rule.fault,
        ...(judges ? [{ text: judgesText(rule, words, page), style: ['dim'] as const }] : []),
        rule.title,
      ]),
      { width: page.width, colour: page.colour },
    ).split('\n'),
  );
  page.blank();
  page.text(words.more('netcheck rules show ID'), { style: ['dim'] });
  return page.end();
}
