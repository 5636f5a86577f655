import type { Trial, TrialOutcome, TrialStep } from './change.ts';
import type { PastRun } from './past-run.ts';

/** Something that an administrator sets, and that was another at a later look. */
export interface SettingChange {
  readonly node: string;
  readonly kind: 'sysctl' | 'mtu' | 'link' | 'firewall' | 'route' | 'resolver' | 'ipvsTimeout' | 'ipvsServer';
  /** `net.ipv4.tcp_tw_recycle`, `eth0`, `iptables filter INPUT`, a destination … */
  readonly name: string;
  /** Absent: it was not there. */
  readonly from?: string;
  /** Absent: it is not there any more. */
  readonly to?: string;
}

/** What a run found, compared with an earlier one on the same question. */
export interface Comparison {
  /**
   * `fixed`: what was found then is ruled out now, and nothing else is wrong. `still`: at least one of the same troubles.
   * `different`: troubles, and none of those. `clearNow`: no cause was named then, and nothing is wrong now. `unsure`: not
   * enough was seen, then or now, to say any of these.
   */
  readonly outcome: 'fixed' | 'still' | 'different' | 'clearNow' | 'stillClear' | 'unsure';
  /** Only for `fixed`: the new report is clear as a whole. Else the causes are ruled out, and some of the rest is unseen. */
  readonly proven: boolean;
  readonly earlier: Pick<PastRun, 'id' | 'endedAtMs' | 'verdict' | 'channel' | 'rootTs'>;
  /** Titles; in the language of the runs. */
  readonly gone: readonly string[];
  readonly still: readonly string[];
  readonly appeared: readonly string[];
  /** Sentences of the rules that have other numbers now, at most four. */
  readonly numbers: readonly NumberChange[];
  /** At most {@link maxSettingChanges}. */
  readonly settings: readonly SettingChange[];
}

/** `text` where only numbers differ (`Recv-Q 3 → 0 of Send-Q 2`), else what was said then and now. */
export type NumberChange = { readonly text: string } | { readonly before: string; readonly after: string };

export const maxSettingChanges = 8;

/** When and where the same trouble was seen before, and what ended it. */
export interface SeenBefore {
  readonly fingerprint: string;
  readonly title: string;
  /** Runs that found it in the last `days` days, without the one that this stands in. */
  readonly times: number;
  /** There are at least so many: no more were looked for. */
  readonly atLeast: boolean;
  readonly days: number;
  readonly last: Pick<PastRun, 'id' | 'endedAtMs' | 'channel' | 'rootTs'>;
  /** The first run after the last sighting that saw the same nodes and found nothing wrong. */
  readonly gone?: {
    readonly run: Pick<PastRun, 'id' | 'endedAtMs' | 'channel' | 'rootTs'>;
    readonly afterMs: number;
    readonly byRecheck: boolean;
    /** What had been set otherwise in between; empty where both runs are not here to be compared. */
    readonly settings: readonly SettingChange[];
  };
}

/** What earlier runs add to an answer. */
export interface RunContext {
  /** A change that this run tried, and what became of it. */
  readonly trial?: TriedChange;
  readonly comparison?: Comparison;
  readonly seenBefore: readonly SeenBefore[];
}

/** A change that was tried. */
export interface TriedChange {
  readonly trial: Trial;
  readonly outcome: TrialOutcome;
  readonly steps: readonly TrialStep[];
}
