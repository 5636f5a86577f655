import * as z from 'zod';
import type { Collector } from '../model/command.ts';
import type { Playbook } from '../model/playbook.ts';
import { Words } from '../model/remedy-note.ts';
import { referenceWords } from './reference-words.ts';
import { renderTable } from './table.ts';
import type { TerminalOptions } from './terminal.ts';
import { TextPage } from './text-page.ts';

/** A table of `expect`, as far as it is shown. */
const Rows = z.array(
  z.object({
    fact: z.string(),
    op: z.enum(['eq', 'ne', 'in', 'min', 'max', 'absent']),
    value: z.unknown().optional(),
    why: Words,
  }),
);

/** What of the registries a page about a playbook shows. */
export interface PlaybookContext {
  readonly collectors: ReadonlyMap<string, Pick<Collector, 'purpose' | 'when'>>;
  /** Title of each rule in the language of the reader, and its fault. */
  readonly rules: ReadonlyMap<string, { readonly title: string; readonly fault: string }>;
  /** Id of the playbook that is used where no word chooses another. */
  readonly defaultPlaybook: string;
}

type Options = TerminalOptions & Required<Pick<TerminalOptions, 'language'>>;

/** The comment at the top of a playbook's file, and where the file is. */
export interface PlaybookSource {
  readonly about: string;
  readonly file: string;
}

/** One playbook for a terminal: what is collected where and when, which rules with which parameters, which words. */
export function renderPlaybookReference(
  playbook: Playbook,
  source: PlaybookSource,
  { collectors, rules, defaultPlaybook }: PlaybookContext,
  options: Options,
): string {
  const words = referenceWords[options.language];
  const page = new TextPage(options);
  const { colon, list } = page.words;
  const table = { width: page.width, colour: page.colour, indent: 2 };
  page.text(`${playbook.id}${colon}${playbook.title[options.language]}`, {
    lead: playbook.id,
    leadStyle: ['bold', 'cyan'],
    style: ['bold'],
  });
  if (source.about !== '') page.text(source.about);
  const included = playbook.include.length === 0 ? '' : ` · ${words.includes} ${playbook.include.join(list)}`;
  page.text(`${words.from} ${source.file}${included}`, { style: ['dim'] });

  page.section(words.chosenBy);
  const { en, zh } = playbook.words;
  if (playbook.id === defaultPlaybook) page.text(words.theDefault, { indent: 2 });
  else if (en.length + zh.length === 0 && playbook.when === undefined) page.text(words.byNameOnly, { indent: 2 });
  const { ports, protocol, seen = [] } = playbook.when ?? {};
  if (ports !== undefined || protocol !== undefined)
    page.text(words.forQuestion([ports?.join(', '), protocol].filter((part) => part !== undefined).join('/')), {
      indent: 2,
    });
  for (const what of seen) page.text(words.joinsWhere(page.words.explain.seen[what]), { indent: 2 });
  for (const some of [en, zh]) if (some.length > 0) page.text(some.join(', '), { indent: 2 });

  page.section(words.collects);
  if (words.purposeLanguage !== '') page.text(words.purposeLanguage, { indent: 2, style: ['dim'] });
  page.raw(
    renderTable(
      [
        { header: words.givenBy, fit: 'never' },
        { header: words.on },
        { header: words.whenColumn },
        { header: words.what },
      ],
      playbook.collect.map(({ use, on, with: params }) => {
        const collector = collectors.get(use);
        const given = withText(params);
        return [
          { text: use, style: ['bold'] as const },
          on.length === 3 ? words.everywhere : on.map((role) => page.words.role[role]).join(list),
          { text: collector === undefined ? '' : words.when[collector.when], style: ['dim'] as const },
          `${collector?.purpose ?? ''}${given === '' ? '' : ` · ${given}`}`,
        ];
      }),
      table,
    ).split('\n'),
  );

  page.section(words.rules, words.inThisOrder);
  page.raw(
    renderTable(
      [{ header: words.rule, fit: 'never' }, { header: words.fault }, { header: words.finds }],
      playbook.rules.map(({ use, with: params }) => {
        const rule = rules.get(use);
        const { table: rows, ...rest } = params;
        const given = withText(Rows.safeParse(rows).success ? rest : params);
        return [
          { text: use, style: ['bold'] as const },
          rule?.fault ?? '',
          `${rule?.title ?? ''}${given === '' ? '' : ` · ${words.with} ${given}`}`,
        ];
      }),
      table,
    ).split('\n'),
  );
  for (const { use, with: params } of playbook.rules) {
    const rows = Rows.safeParse(params['table']);
    if (!rows.success) continue;
    page.section(words.expectations, use);
    page.raw(
      renderTable(
        [{ header: words.fact }, { header: words.expected }, { header: words.why }],
        rows.data.map(({ fact, op, value, why }) => [
          { text: fact, style: ['bold'] as const },
          `${words.op[op]}${value === undefined ? '' : ` ${valueText(value)}`}`,
          typeof why === 'string' ? why : why[options.language],
        ]),
        table,
      ).split('\n'),
    );
  }
  page.blank();
  page.text(words.more(`netcheck rules show ID · netcheck playbooks show ${playbook.id} --json`), { style: ['dim'] });
  return page.end();
}

/** `attempts 8, timeoutSec 4`; lists with their items. */
function withText(params: Readonly<Record<string, unknown>>): string {
  return Object.entries(params)
    .map(([name, value]) => `${name} ${valueText(value)}`)
    .join(', ');
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((one) => typeof one === 'string' || typeof one === 'number'))
    return value.join(' ');
  return JSON.stringify(value) ?? '';
}

/** So many symptom words of a playbook stand in the list. */
const wordsInList = 5;

/** All playbooks, one line each. */
export function renderPlaybookList(
  playbooks: readonly Playbook[],
  { defaultPlaybook }: Pick<PlaybookContext, 'defaultPlaybook'>,
  options: Options,
): string {
  const words = referenceWords[options.language];
  const page = new TextPage(options);
  page.raw(
    renderTable(
      [
        { header: words.playbook, fit: 'never' },
        { header: words.answers },
        { header: words.chosenBy },
        { header: words.rules, align: 'right' },
      ],
      playbooks.map((playbook) => {
        const chosen = playbook.words[options.language];
        const shown = chosen.slice(0, wordsInList);
        const rest = Object.values(playbook.words).flat().length - shown.length;
        return [
          { text: playbook.id, style: ['bold'] as const },
          playbook.title[options.language],
          {
            text: [
              ...(playbook.id === defaultPlaybook ? [words.theDefaultInList] : []),
              shown.join(', '),
              ...(rest > 0 ? [words.moreWords(rest)] : []),
            ].join(' '),
            style: ['dim'] as const,
          },
          String(playbook.rules.length),
        ];
      }),
      { width: page.width, colour: page.colour },
    ).split('\n'),
  );
  page.blank();
  page.text(words.more('netcheck playbooks show ID'), { style: ['dim'] });
  return page.end();
}
