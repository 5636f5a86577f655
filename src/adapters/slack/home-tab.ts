import { answerOf } from './claim.ts';
import { fitBlocks } from './fit-blocks.ts';
import { frontWording, whenOf } from './front-wording.ts';
import type { Reader } from './knowledge.ts';
import { codeSpan, escapeMrkdwn } from './mrkdwn.ts';
import { quotingWords } from './own-words.ts';
import { pastRunLine } from './past-run-line.ts';
import type { FrontDesk } from './run-button.ts';
import { button, clip } from './status-message.ts';
import { statusLines } from './sub-commands.ts';
import { formAction } from './unclear.ts';

/** What App Home shows at most, and how often it is built anew for one person. */
const bounds = { runs: 10, troubles: 10, withinMs: 3000, everyMs: 10_000, people: 1000 } as const;

/** App Home: how to ask, what was asked lately, what the last audit left open, and how netcheck is. Never rejects. */
export interface HomeTab {
  /** Somebody looks at it. Shown anew at most every ten seconds per person. */
  opened(user: string): Promise<void>;
}

export function createHomeTab(desk: FrontDesk): HomeTab {
  const shownAtMs = new Map<string, number>();
  return {
    async opened(user) {
      const nowMs = Date.now();
      if (nowMs - (shownAtMs.get(user) ?? Number.NEGATIVE_INFINITY) < bounds.everyMs) return;
      shownAtMs.delete(user);
      shownAtMs.set(user, nowMs);
      for (const oldest of shownAtMs.keys()) {
        if (shownAtMs.size <= bounds.people) break;
        shownAtMs.delete(oldest);
      }
      const language = await desk.languageOf(user, '');
      const blocks = await homeBlocks(desk, { user, channel: '', language });
      const outcome = await desk.calls.call('views.publish', { user_id: user, view: { type: 'home', blocks } });
      if (outcome.outcome === 'ok') return;
      shownAtMs.delete(user);
      desk.log(
        `slack: views.publish: ${outcome.outcome === 'refused' ? `${outcome.error} ${outcome.detail}` : outcome.outcome}`,
      );
    },
  };
}

async function homeBlocks(desk: FrontDesk, who: Reader): Promise<readonly unknown[]> {
  const { language } = who;
  const { home } = frontWording(language);
  const { knowledge } = desk;
  const openTroubles = knowledge?.openTroubles;
  const refused = await knowledge?.mayLook(who);
  if (refused !== undefined) return [header(home.title), section(quotingWords(refused))];
  const [runs, open, status] = await Promise.all([
    knowledge === undefined
      ? undefined
      : answerOf(() => knowledge.recentRuns(who, { limit: bounds.runs }), bounds.withinMs),
    openTroubles === undefined ? undefined : answerOf(() => openTroubles(who), bounds.withinMs),
    knowledge === undefined ? [] : statusLines(desk, language),
  ]);
  const blocks: unknown[] = [
    header(home.title),
    section(home.help),
    ...(knowledge === undefined ? [] : [{ type: 'actions', elements: [{ ...buttonOf(home.ask), style: 'primary' }] }]),
  ];
  if (runs?.answered === true) {
    blocks.push({ type: 'divider' }, section(home.recent));
    if (runs.value.length === 0) blocks.push(context(home.noRuns));
    for (const run of runs.value.slice(0, bounds.runs))
      blocks.push(section(pastRunLine(run, language, desk.threadLink)));
  }
  if (open?.answered === true && open.value !== undefined) {
    const { troubles, total, auditedAtMs } = open.value;
    const when = whenOf(auditedAtMs);
    blocks.push({ type: 'divider' }, section(total === 0 ? home.nothingOpen(when) : home.open(total, when)));
    const shown = troubles.slice(0, bounds.troubles);
    for (const { node, title, sinceMs } of shown) {
      const since = sinceMs === undefined ? '' : ` · ${whenOf(sinceMs)}`;
      blocks.push(section(`${codeSpan(clip(node, 100))} ${escapeMrkdwn(clip(title, 200))}${since}`));
    }
    if (total > shown.length) blocks.push(context(home.andMore(total - shown.length)));
  }
  if (status.length > 0) blocks.push({ type: 'divider' }, section(status.join('\n')));
  return fitBlocks(blocks, [], language);
}

function buttonOf(label: string): Readonly<Record<string, unknown>> {
  return button(formAction, label, 'new') as Readonly<Record<string, unknown>>;
}

function header(text: string): unknown {
  return { type: 'header', text: { type: 'plain_text', text } };
}

function section(text: string): unknown {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
}

function context(text: string): unknown {
  return { type: 'context', elements: [{ type: 'mrkdwn', text, verbatim: true }] };
}
