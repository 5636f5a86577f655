import { readFileSync } from 'node:fs';
import { collectors } from '../../src/collectors/index.ts';
import { judgeRecorded as judgeOutputs } from '../../src/judge-recorded.ts';
import type { Phase } from '../../src/model/evidence.ts';
import type { Role } from '../../src/model/plan.ts';
import type { Report } from '../../src/model/report.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';

/** One recorded output that takes the place of a command's. */
export interface Recorded {
  readonly node: string;
  readonly collector: string;
  readonly kind: string;
  readonly phase: Phase;
  /** File, or the bytes themselves. */
  readonly from: string | Uint8Array;
  readonly argv?: readonly string[];
  readonly stderr?: string;
}

export interface RecordedRun {
  readonly target: { readonly name: string; readonly address: string };
  readonly others?: readonly { readonly name: string; readonly address: string; readonly role: Role }[];
  readonly port: number;
  readonly rules: readonly string[];
  readonly recorded: readonly Recorded[];
  readonly language?: 'en' | 'zh';
}

/** Recordings that were made without netcheck, judged as if netcheck had made them. */
export function judgeRecorded({ recorded, rules: chosen, ...rest }: RecordedRun): Report {
  const outputs = recorded.map(({ from, ...one }) => ({
    ...one,
    stdout: typeof from === 'string' ? readFileSync(from) : from,
  }));
  return judgeOutputs({ ...rest, rules: chosen.map((rule) => ({ rule })), outputs }, { collectors, parsers, rules });
}
