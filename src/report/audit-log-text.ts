import type { Language } from '../model/language.ts';
import { painter, type Style } from './ansi.ts';
import type { AuditRow, RanOnNode } from './audit-log-rows.ts';
import { durationText } from './duration-text.ts';
import { exitText } from './exit-text.ts';
import { shellText } from './shell-text.ts';
import { sizeText } from './size-text.ts';
import { renderTable, type TableCell } from './table.ts';
import { visibleText } from './visible-text.ts';

export interface AuditLogTextOptions {
  readonly width: number;
  readonly colour: boolean;
  readonly language: Language;
}

/** A script is told apart from a program by its length; its whole text is in `--json`. */
const maxCommandChars = 400;

/** The rows as a table for a terminal; times are local. */
export function renderAuditRows(rows: readonly AuditRow[], { language, ...terminal }: AuditLogTextOptions): string {
  const words = wording[language];
  if (rows.length === 0) return words.nothing;
  const columns = [
    { header: words.when, fit: 'never' },
    { header: words.who },
    { header: words.asked },
    { header: words.nodes },
    { header: words.came },
    { header: words.took, align: 'right', fit: 'never' },
    { header: words.ran, align: 'right', fit: 'never' },
    { header: words.run, fit: 'never' },
  ] as const;
  return renderTable(
    columns,
    rows.map((row) => [
      localTime(row.atMs),
      [row.askedBy ?? '–', row.channel].filter(Boolean).join(' '),
      row.what === 'outside' ? words.outside : row.text,
      row.nodes.slice(0, 6).join(', ') + (row.nodes.length > 6 ? ` +${row.nodes.length - 6}` : ''),
      cameOf(row, language),
      row.tookMs === undefined ? '' : durationText(row.tookMs, language),
      row.commands === 0 ? '' : String(row.commands),
      row.run ?? '',
    ]),
    terminal,
  );
}

function cameOf(row: AuditRow, language: Language): TableCell {
  const words = wording[language];
  const again = row.attempts > 1 ? ` ${words.attempts(row.attempts)}` : '';
  const verdict = row.what === 'run' ? words.verdict[row.verdict ?? 'open'] : words.what[row.what];
  const detail = row.headline === undefined ? '' : `${words.colon}${row.headline}`;
  return {
    text: `${verdict}${again}${detail}`,
    style: [styles[row.what === 'run' ? (row.verdict ?? 'open') : row.what]],
  };
}

const styles: Readonly<Record<NonNullable<AuditRow['verdict']> | AuditRow['what'], Style>> = {
  found: 'red',
  clear: 'green',
  inconclusive: 'yellow',
  cancelled: 'dim',
  refused: 'magenta',
  failed: 'red',
  interrupted: 'yellow',
  open: 'yellow',
  run: 'dim',
  pressed: 'dim',
  changed: 'magenta',
  outside: 'dim',
};

/** Every command of a run, node by node, as it could be typed. */
export function renderRanCommands(
  nodes: readonly RanOnNode[],
  { language, width, colour }: AuditLogTextOptions,
): string {
  const words = wording[language];
  const paint = painter(colour);
  const parts = nodes.map(({ node, commands, unreachable }) => {
    const lines = commands.map((command) => [
      command.privilege === 'root' ? { text: 'root', style: ['yellow'] as const } : '',
      exitText(command.exit, language),
      durationText(command.tookMs, language),
      sizeText(command.bytes),
      shortened(shellText(command.argv), words.characters),
    ]);
    const table = renderTable(
      [
        { header: words.as, fit: 'never' },
        { header: words.exit },
        { header: words.took, align: 'right', fit: 'never' },
        { header: words.bytes, align: 'right', fit: 'never' },
        { header: words.command },
      ],
      lines,
      { width, colour, indent: 2 },
    );
    const title = paint(visibleText(node), 'bold');
    const why = unreachable === undefined ? '' : `\n  ${visibleText(unreachable)}`;
    return `${title}${why}${lines.length === 0 ? '' : `\n${table}`}`;
  });
  return parts.length === 0 ? words.noCommands : parts.join('\n\n');
}

function shortened(text: string, characters: (count: number) => string): string {
  return text.length <= maxCommandChars ? text : `${text.slice(0, maxCommandChars)}… (${characters(text.length)})`;
}

/** `2026-11-21 08:05:03`, in the zone of this machine. */
function localTime(atMs: number): string {
  const at = new Date(atMs);
  if (Number.isNaN(at.getTime())) return '?';
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

const wording = {
  en: {
    when: 'when',
    who: 'who, where',
    asked: 'asked',
    nodes: 'nodes',
    came: 'what came of it',
    took: 'took',
    ran: 'commands',
    run: 'run',
    as: 'as',
    exit: 'ended',
    bytes: 'output',
    command: 'command',
    nothing: 'The audit log has nothing of that kind.',
    noCommands: 'Nothing ran on a node.',
    outside: 'outside of a run',
    colon: ': ',
    attempts: (count: number) => `(${count} workers)`,
    characters: (count: number) => `${count} characters, see --json`,
    what: { run: '', refused: 'refused', pressed: 'pressed', changed: 'change', outside: 'looked' },
    verdict: {
      found: 'found',
      clear: 'clear',
      inconclusive: 'inconclusive',
      cancelled: 'cancelled',
      refused: 'refused',
      failed: 'failed',
      interrupted: 'handed to another worker, no end yet',
      open: 'no end: it goes on, or its worker died',
    },
  },
  zh: {
    when: '时间',
    who: '谁、在哪里',
    asked: '问题',
    nodes: '节点',
    came: '结果',
    took: '用时',
    ran: '命令数',
    run: '运行编号',
    as: '身份',
    exit: '结束方式',
    bytes: '输出',
    command: '命令',
    nothing: '审计日志里没有这样的记录。',
    noCommands: '没有在任何节点上运行命令。',
    outside: '不属于任何一次运行',
    colon: '：',
    attempts: (count: number) => `（${count} 个工作进程）`,
    characters: (count: number) => `共 ${count} 个字符，见 --json`,
    what: { run: '', refused: '已拒绝', pressed: '按下按钮', changed: '改动', outside: '查看' },
    verdict: {
      found: '已定位',
      clear: '未发现故障',
      inconclusive: '无法下结论',
      cancelled: '已取消',
      refused: '已拒绝',
      failed: '失败',
      interrupted: '已交给另一个工作进程，尚未结束',
      open: '没有结束：仍在进行，或工作进程已退出',
    },
  },
} as const;
