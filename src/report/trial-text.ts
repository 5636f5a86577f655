import type { TrialStep } from '../model/change.ts';
import type { Language } from '../model/language.ts';
import type { TriedChange } from '../model/run-context.ts';
import { escapeInlineCode, escapeMrkdwnUpTo } from './escape-mrkdwn.ts';
import { slackMention } from './slack-mention.ts';
import { truncateToWidth } from './truncate-to-width.ts';

/** How a text is marked, where it is read: in a Slack thread, or in a place without any markup. */
interface Marks {
  readonly strong: (text: string) => string;
  readonly code: (text: string, most: number) => string;
  readonly text: (text: string, most: number) => string;
  readonly person: (who: string) => string;
}
const marksFor: Readonly<Record<'mrkdwn' | 'plain', Marks>> = {
  mrkdwn: {
    strong: (text) => `*${text}*`,
    code: (text, most) => `\`${escapeInlineCode(truncateToWidth(text, most))}\``,
    text: escapeMrkdwnUpTo,
    person: slackMention,
  },
  plain: {
    strong: (text) => text,
    code: truncateToWidth,
    text: truncateToWidth,
    person: (who) => truncateToWidth(who, 80),
  },
};

/**
 * What became of a change.
 * @param style `mrkdwn`: escaped, with our own mentions and marks in it
 */
export function trialText(
  tried: TriedChange,
  language: Language,
  style: 'mrkdwn' | 'plain',
): { readonly headline: string; readonly lines: readonly string[] } {
  const say = words[language];
  const mark = marksFor[style];
  const { trial, outcome, steps } = tried;
  const what = `${mark.text(trial.node, 80)}: ${mark.code(trial.command, 300)}`;
  const value = (text: string): string => (text === '' ? '' : ` ${mark.code(text, 120)}`);
  const [begin] = steps;
  const times = steps.map(({ atMs, step }) =>
    say.at(((atMs - (begin?.atMs ?? atMs)) / 1000).toFixed(0), say.step[step]),
  );
  const lines = [what, say.who(mark.person(trial.askedBy), mark.person(trial.approvedBy)), times.join(' → ')];
  switch (outcome.how) {
    case 'kept':
      return {
        headline: `🟢 ${mark.strong(say.kept)}`,
        lines: [...lines, say.now(value(outcome.previous), value(outcome.now)), say.onlyUntilReboot],
      };
    case 'putBack':
      return {
        headline: `↩️ ${mark.strong(say.putBack)} ${say.because[outcome.because]}`,
        lines: [...lines, ...(outcome.now === '' ? [] : [say.hasAgain(value(outcome.now))])],
      };
    case 'notChanged':
      return {
        headline: `⚪ ${mark.strong(say.notChanged)} ${say.why[outcome.because]}`,
        lines: [...lines, ...(outcome.words === '' ? [] : [mark.text(outcome.words, 300)])],
      };
    case 'unknown':
      return {
        headline: `🟠 ${mark.strong(say.unknown)}`,
        lines: [...lines, say.lookAt(new Date(outcome.putBackByMs).toISOString())],
      };
  }
}

/** How far a trial is, for the living message. Escaped. */
export function trialStepText(
  { node, step }: { readonly node: string; readonly step: TrialStep['step'] },
  language: Language,
): string {
  return words[language].running(escapeMrkdwnUpTo(node, 80), words[language].step[step]);
}

const words = {
  en: {
    kept: 'The change stays: the trouble is gone.',
    putBack: 'The change was put back.',
    notChanged: 'Nothing was changed.',
    unknown: 'The node has not been reached since the change. Its own timer puts the change back without us.',
    because: {
      still: 'Asked again, the same trouble was there.',
      different: 'Asked again, there was another trouble.',
      unsure: 'Asked again, not enough was seen to say that it helped.',
      cancelled: 'The run was cancelled.',
      workerDied: 'The worker that tried it died in the middle.',
      timer: 'The timer on the node did it: nobody said "keep" in time.',
      unreachable: 'The node could not be reached after it.',
    },
    why: {
      gone: 'Asked again first, and the finding is not there any more.',
      noHelper: 'netcheck-change is not installed on that node, or may not be run there (docs/changes.md).',
      helper: 'The node refused it.',
      unreachable: 'The node cannot be reached.',
      already: 'The node has that value already.',
      cancelled: 'The run was cancelled before.',
    },
    step: {
      before: 'asks first',
      changed: 'changed, timer armed',
      after: 'asks again',
      kept: 'kept',
      putBack: 'put back',
      notChanged: 'not changed',
      unknown: 'not reached',
    },
    at: (seconds: string, step: string) => `${step} (${seconds} s)`,
    who: (asked: string, approved: string) => `asked for by ${asked}, approved by ${approved}`,
    now: (previous: string, now: string) => `was${previous}, is${now}`,
    hasAgain: (now: string) => `the node has${now} again`,
    onlyUntilReboot: 'It lasts until the next reboot. The answer before this one says how to make it permanent.',
    lookAt: (when: string) => `By ${when} at the latest. Look at the node: netcheck-change status shows what it has.`,
    running: (node: string, step: string) => `change on ${node}: ${step}`,
  },
  zh: {
    kept: '改动已保留：问题已消失。',
    putBack: '改动已撤销。',
    notChanged: '没有做任何改动。',
    unknown: '改动之后联系不上该节点。节点自己的定时器会撤销改动，不依赖我们。',
    because: {
      still: '再次检查时，同样的问题仍在。',
      different: '再次检查时，出现了另一个问题。',
      unsure: '再次检查时，看到的不足以说明改动有效。',
      cancelled: '运行已取消。',
      workerDied: '执行改动的 worker 中途退出。',
      timer: '由节点上的定时器撤销：没有及时收到“保留”。',
      unreachable: '改动之后联系不上该节点。',
    },
    why: {
      gone: '先重新检查了一次，该问题已不存在。',
      noHelper: '该节点上没有安装 netcheck-change，或不允许运行它（见 docs/changes.md）。',
      helper: '节点拒绝了这个改动。',
      unreachable: '联系不上该节点。',
      already: '节点上已经是这个值。',
      cancelled: '运行在此之前已取消。',
    },
    step: {
      before: '先检查',
      changed: '已改动，定时器已启动',
      after: '再检查',
      kept: '保留',
      putBack: '撤销',
      notChanged: '未改动',
      unknown: '联系不上',
    },
    at: (seconds: string, step: string) => `${step}（${seconds} 秒）`,
    who: (asked: string, approved: string) => `由 ${asked} 提出，由 ${approved} 批准`,
    now: (previous: string, now: string) => `原为${previous}，现为${now}`,
    hasAgain: (now: string) => `节点上恢复为${now}`,
    onlyUntilReboot: '重启后失效。如何永久生效见之前的回答。',
    lookAt: (when: string) => `最迟 ${when}。请查看该节点：netcheck-change status 会显示当前值。`,
    running: (node: string, step: string) => `${node} 上的改动：${step}`,
  },
} as const;
