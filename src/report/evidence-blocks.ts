import type { EvidenceEntry } from '../model/evidence.ts';
import type { Language } from '../model/language.ts';
import type { Report } from '../model/report.ts';
import { codeBlocks } from './commands-blocks.ts';
import { durationText } from './duration-text.ts';
import { escapeMrkdwnUpTo } from './escape-mrkdwn.ts';
import { exitText } from './exit-text.ts';
import { shellText } from './shell-text.ts';
import type { SlackBlock } from './slack-blocks.ts';
import { sizeText } from './size-text.ts';
import { visible } from './visible-report.ts';
import { visibleText } from './visible-text.ts';
import { wording } from './wording.ts';

/** Options of one group of a select, and groups (docs.slack.dev/reference/block-kit/composition-objects). */
const maxOptions = 100;
const maxGroups = 20;
/** What is shown of one output. The bundle has all of it. */
const maxLines = 120;
const maxLineChars = 400;
const maxChars = 9000;
/** Lines before the first one that a finding points at. */
const linesBefore = 5;

interface Words {
  readonly summary: (commands: string, nodes: number, bytes: string) => string;
  readonly pick: string;
  readonly pcap: (file: string) => string;
  readonly empty: string;
  readonly moreLines: (count: number) => string;
  readonly cited: string;
  readonly notAll: (count: number) => string;
  readonly errors: string;
}

const words: Readonly<Record<Language, Words>> = {
  en: {
    summary: (commands, nodes, bytes) => `${commands} on ${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${bytes} kept`,
    pick: 'Pick an output',
    pcap: (file) => `A packet capture. It is in the bundle of the thread, as \`${file}\`; \`netcheck pcap\` reads it.`,
    empty: 'It printed nothing.',
    moreLines: (count) => `… ${count} more lines; the bundle of the thread has them all`,
    cited: '▶ marks the lines that the findings point at.',
    notAll: (count) => `${count} more are in the bundle of the thread.`,
    errors: 'Errors that it printed',
  },
  zh: {
    summary: (commands, nodes, bytes) => `${nodes} 个节点，${commands}，共保存 ${bytes}`,
    pick: '选择一份输出',
    pcap: (file) => `这是抓包文件，在消息列的附件包中：\`${file}\`，可用 \`netcheck pcap\` 读取。`,
    empty: '没有输出。',
    moreLines: (count) => `…… 还有 ${count} 行，附件包中有全部内容`,
    cited: '▶ 标出结论所依据的行。',
    notAll: (count) => `还有 ${count} 份在消息列的附件包中。`,
    errors: '它输出的错误',
  },
};

/** What is picked from: one select with a group per node. The value of an option is the entry's place in the report. */
export function evidenceListBlocks(reportGiven: Report, language: Language, actionId: string): readonly SlackBlock[] {
  const report = visible(reportGiven);
  const say = words[language];
  const nodes = new Set(report.evidence.map(({ node }) => node));
  const bytes = report.evidence.reduce((sum, { outBytes, errBytes }) => sum + outBytes + errBytes, 0);
  const commands = wording[language].explain.commands(report.evidence.length);
  const groups: { readonly label: unknown; readonly options: readonly unknown[] }[] = [];
  let shown = 0;
  for (const node of nodes) {
    const own = report.evidence.flatMap((entry, index) =>
      entry.node === node ? [optionOf(entry, index, language)] : [],
    );
    for (let from = 0; from < own.length && groups.length < maxGroups; from += maxOptions) {
      const options = own.slice(from, from + maxOptions);
      groups.push({ label: plain(from === 0 ? node : `${node} (${from / maxOptions + 1})`), options });
      shown += options.length;
    }
  }
  const left = report.evidence.length - shown;
  return [
    context(say.summary(commands, nodes.size, sizeText(bytes))),
    ...(groups.length === 0
      ? []
      : [
          {
            type: 'actions',
            elements: [
              { type: 'static_select', action_id: actionId, placeholder: plain(say.pick), option_groups: groups },
            ],
          },
        ]),
    ...(left > 0 ? [context(say.notAll(left))] : []),
  ];
}

/** One output: what ran, how it ended, and its text as far as a modal holds it, from the lines that matter on. */
export function evidenceBlocks(
  report: Report,
  entryGiven: EvidenceEntry,
  bytes: { readonly stdout: Uint8Array; readonly stderr: Uint8Array },
  language: Language,
): readonly SlackBlock[] {
  const entry = visible(entryGiven);
  const say = words[language];
  const { explain, evidencePhase } = wording[language];
  const facts = [
    evidencePhase[entry.phase],
    explain.privilege[entry.privilege],
    durationText(entry.endedAtMs - entry.startedAtMs, language),
    exitText(entry.exit, language),
    sizeText(entry.outBytes + entry.errBytes),
  ].filter((part) => part !== '');
  const blocks: SlackBlock[] = [
    section(`*${escapeMrkdwnUpTo(entry.node, 120)}*  ${escapeMrkdwnUpTo(entry.id, 120)}`),
    ...codeBlocks([shellText(entry.argv).slice(0, 900)]).slice(0, entry.argv.length === 0 ? 0 : 1),
    context(escapeMrkdwnUpTo(facts.join(' · '), 400)),
  ];
  if (entry.kind === 'pcap') blocks.push(section(say.pcap(entry.out ?? 'evidence/')));
  else if (bytes.stdout.length + bytes.stderr.length === 0) blocks.push(context(say.empty));
  else {
    const cited = citedLines(report, entryGiven.out);
    if (cited.size > 0) blocks.push(context(say.cited));
    blocks.push(...textBlocks(bytes.stdout, cited, say));
  }
  if (bytes.stderr.length > 0) blocks.push(section(`_${say.errors}_`), ...textBlocks(bytes.stderr, new Set(), say));
  return blocks;
}

function citedLines(report: Report, file: string | undefined): ReadonlySet<number> {
  const lines = report.findings
    .filter(({ verdict }) => verdict === 'confirmed' || verdict === 'likely')
    .flatMap(({ because }) => because)
    .flatMap(({ evidence, line }) => (evidence === file && line !== undefined ? [line] : []));
  return new Set(lines);
}

function textBlocks(bytes: Uint8Array, cited: ReadonlySet<number>, say: Words): readonly SlackBlock[] {
  const all = Buffer.from(bytes).toString('utf8').replace(/\n$/, '').split('\n');
  const first = cited.size === 0 ? 0 : Math.max(0, Math.min(...cited) - 1 - linesBefore);
  const lines: string[] = first === 0 ? [] : [say.moreLines(first)];
  let used = 0;
  let at = first;
  for (; at < all.length && at - first < maxLines; at += 1) {
    const text = visibleText(all[at] ?? '');
    const cut = text.length > maxLineChars ? `${text.slice(0, maxLineChars - 1)}…` : text;
    const line = cited.size === 0 ? cut : `${cited.has(at + 1) ? '▶' : ' '} ${cut}`;
    if (used + line.length + 1 > maxChars) break;
    lines.push(line);
    used += line.length + 1;
  }
  if (at < all.length) lines.push(say.moreLines(all.length - at));
  return codeBlocks(lines);
}

function optionOf(entry: EvidenceEntry, index: number, language: Language): unknown {
  const size = sizeText(entry.outBytes + entry.errBytes);
  const ended = entry.exit.how === 'exited' && entry.exit.code === 0 ? '' : ` · ${exitText(entry.exit, language)}`;
  return { text: plain(`${entry.id} · ${size}${ended}`), value: String(index) };
}

function plain(text: string): unknown {
  return {
    type: 'plain_text',
    text: text.length <= 75 ? text : `${text.slice(0, 74).replace(/[\ud800-\udbff]$/, '')}…`,
  };
}

function section(text: string): SlackBlock {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
}

function context(text: string): SlackBlock {
  return { type: 'context', elements: [{ type: 'mrkdwn', text, verbatim: true }] };
}
