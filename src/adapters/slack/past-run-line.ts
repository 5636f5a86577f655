import type { Language } from '../../model/language.ts';
import type { PastRun } from '../../model/past-run.ts';
import { frontWording, whenOf } from './front-wording.ts';
import { codeSpan, escapeMrkdwn } from './mrkdwn.ts';
import { clip } from './status-message.ts';

const marks: Readonly<Record<PastRun['verdict'], string>> = {
  found: '🔴',
  clear: '✅',
  inconclusive: '🟡',
  cancelled: '⏹',
  failed: '⚠️',
};

/** A run of the past in one line: how it ended, what was asked, when, and its thread. */
export function pastRunLine(
  run: PastRun,
  language: Language,
  threadLink: ((channel: string, rootTs: string) => string | undefined) | undefined,
): string {
  const wording = frontWording(language);
  // A schedule that has never had anything to tell has no thread.
  const link = run.rootTs === '' ? undefined : threadLink?.(run.channel, run.rootTs);
  const said = run.headline === '' ? wording.verdict[run.verdict] : escapeMrkdwn(clip(run.headline, 150));
  return [
    `${marks[run.verdict]} ${codeSpan(clip(run.text, 100))} ${said}`,
    whenOf(run.endedAtMs),
    ...(link === undefined ? [] : [`<${link}|${wording.thread}>`]),
  ].join(' · ');
}
