import type { AuditRecord, RanCommand } from '../model/audit-log-record.ts';

type Ended = Extract<AuditRecord, { event: 'ended' }>['verdict'];

/** One line of `netcheck log`: a run from beginning to end, or something else that is in the audit log. */
export interface AuditRow {
  /** When it began, Unix milliseconds. */
  readonly atMs: number;
  readonly what: 'run' | 'refused' | 'pressed' | 'changed' | 'outside';
  readonly run?: string;
  readonly askedBy?: string;
  readonly channel?: string;
  readonly text: string;
  readonly nodes: readonly string[];
  /** `open`: it goes on, or its worker died. */
  readonly verdict?: Ended | 'open';
  readonly headline?: string;
  readonly tookMs?: number;
  /** Commands that ran on nodes. */
  readonly commands: number;
  /** How many workers began it. */
  readonly attempts: number;
}

/** Commands of one node, in the order of the log. */
export interface RanOnNode {
  readonly node: string;
  readonly commands: readonly RanCommand[];
  readonly unreachable?: string;
}

export interface AuditRows {
  add(record: AuditRecord): void;
  /** The newest rows, oldest first. */
  newest(): readonly AuditRow[];
  /** What ran, for `detailed`. */
  ran(): readonly RanOnNode[];
}

/** Runs without an end that are remembered while a log is read. */
const maxOpen = 5000;
/** Commands that are kept for `detailed`. */
const maxCommands = 20_000;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * Puts the records of an audit log together, as they are read: bounded whatever the size of the log.
 *
 * @param limit so many rows are kept, the newest
 * @param detailed keeps the commands too
 */
export function newAuditRows({
  limit,
  isWanted,
  detailed,
}: {
  readonly limit: number;
  readonly isWanted: (row: AuditRow) => boolean;
  readonly detailed: boolean;
}): AuditRows {
  const open = new Map<string, Writable<AuditRow>>();
  const nodes = new Map<string, { commands: RanCommand[]; unreachable?: string }>();
  let rows: AuditRow[] = [];
  let kept = 0;

  const emit = (row: AuditRow): void => {
    if (!isWanted(row)) return;
    rows.push(row);
    if (rows.length > 2 * limit + 100) rows = newestOf(rows, limit);
  };
  const openRow = (run: string, atMs: number): Writable<AuditRow> => {
    let row = open.get(run);
    if (row === undefined) {
      row = { atMs, what: 'run', run, text: '', nodes: [], verdict: 'open', commands: 0, attempts: 0 };
      open.set(run, row);
      const [oldest] = open;
      if (open.size > maxOpen && oldest !== undefined) {
        open.delete(oldest[0]);
        emit(oldest[1]);
      }
    }
    return row;
  };

  return {
    add(record) {
      switch (record.event) {
        case 'started': {
          const row = openRow(record.run, record.atMs);
          Object.assign(row, aboutRun(record), { attempts: Math.max(row.attempts + 1, record.attempt ?? 1) });
          return;
        }
        case 'ran': {
          if (detailed) kept += keepCommands(nodes, record, maxCommands - kept);
          const { run, node, commands, atMs, unreachable } = record;
          if (run === undefined) {
            emit({
              atMs,
              what: 'outside',
              text: '',
              nodes: [node],
              commands: commands.length,
              attempts: 0,
              ...(unreachable === undefined ? {} : { headline: unreachable }),
            });
            return;
          }
          const row = openRow(run, atMs);
          row.commands += commands.length;
          if (!row.nodes.includes(node)) row.nodes = [...row.nodes, node];
          return;
        }
        case 'ended': {
          const row = openRow(record.run, record.atMs);
          const extra = row.nodes.filter((node) => !record.nodes.includes(node));
          Object.assign(row, aboutRun(record), {
            nodes: [...record.nodes, ...extra],
            verdict: record.verdict,
            ...(record.headline === undefined ? {} : { headline: record.headline }),
            ...(record.tookMs === undefined ? {} : { tookMs: record.tookMs }),
          });
          // Another worker goes on with it; what it writes belongs to the same row.
          if (record.verdict === 'interrupted') return;
          open.delete(record.run);
          emit(row);
          return;
        }
        case 'changed': {
          const { atMs, run, node, askedBy, approvedBy, step, command } = record;
          const text = `${step}: ${command} (${approvedBy})`;
          emit({ atMs, what: 'changed', run, askedBy, text, nodes: [node], commands: 0, attempts: 0 });
          return;
        }
        case 'refused':
        case 'pressed': {
          const { run, channel } = record;
          emit({
            atMs: record.atMs,
            what: record.event,
            ...(run === undefined ? {} : { run }),
            askedBy: record.askedBy,
            ...(channel === undefined ? {} : { channel }),
            text: record.event === 'refused' ? `${record.action}: ${record.text}` : record.action,
            nodes: [],
            ...(record.event === 'refused' ? { headline: record.why } : {}),
            commands: 0,
            attempts: 0,
          });
        }
      }
    },
    newest: () => newestOf([...rows, ...[...open.values()].filter(isWanted)], limit),
    ran: () => [...nodes].map(([node, noted]) => ({ node, ...noted })),
  };
}

function aboutRun({
  askedBy,
  channel,
  text,
  nodes,
}: Extract<AuditRecord, { event: 'started' | 'ended' }>): Partial<AuditRow> {
  return { askedBy, ...(channel === undefined ? {} : { channel }), text, nodes };
}

function newestOf(rows: readonly AuditRow[], limit: number): AuditRow[] {
  return [...rows].sort((a, b) => a.atMs - b.atMs).slice(-limit);
}

/** @returns how many were kept */
function keepCommands(
  nodes: Map<string, { commands: RanCommand[]; unreachable?: string }>,
  { node, commands, unreachable }: Extract<AuditRecord, { event: 'ran' }>,
  atMost: number,
): number {
  const noted = nodes.get(node) ?? { commands: [] };
  nodes.set(node, noted);
  if (unreachable !== undefined) noted.unreachable = unreachable;
  const taken = commands.slice(0, Math.max(0, atMost));
  noted.commands.push(...taken);
  return taken.length;
}
