import type { Verdict } from './verdict.ts';

/** One check of an audit: a column. */
export interface HeatColumn {
  /** Id of the rule. */
  readonly rule: string;
  /** Short, in the reader's language. */
  readonly title: string;
}

/** What an audit found on one node, or on several that have all of it in common: a row. */
export interface HeatRow {
  readonly name: string;
  /** How many nodes the row stands for; 1 where it is one. */
  readonly count: number;
  /** One for each column; `null`: was not looked for there. */
  readonly cells: readonly (Verdict | null)[];
}

/** Nodes against checks: what an audit found, as a picture shows it. */
export interface HeatMap {
  readonly title: string;
  readonly columns: readonly HeatColumn[];
  readonly rows: readonly HeatRow[];
}
