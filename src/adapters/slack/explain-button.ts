import { NetcheckError } from '../../model/errors.ts';
import { planBlocks, ranBlocks } from '../../report/commands-blocks.ts';
import { buttonWordingIn } from './button-wording.ts';
import { aboutRun, openModal } from './modal.ts';
import { quotingWords } from './own-words.ts';
import type { FrontDesk, RunButton } from './run-button.ts';
import type { RunRequest } from '../../engine/ports.ts';
import { explainAction } from './status-message.ts';

/** Explain: what the run does, or did, on which node, word for word. Only the one who asks sees it. */
export const explainButton: RunButton = {
  action: explainAction,
  async press(click, desk) {
    const run = await desk.runBehind('explain', click);
    if (run === undefined) return;
    const say = buttonWordingIn(run.language);
    const blocks = await blocksOf(run, desk).catch(async (error: unknown) => {
      if (!(error instanceof NetcheckError)) throw error;
      await desk.tell(click, quotingWords(error));
      return undefined;
    });
    if (blocks === undefined) return;
    const about = aboutRun(run, click);
    const modal = { callbackId: explainAction, title: say.explain, close: say.close, about, blocks };
    if (!(await openModal(desk, click.triggerId, modal))) await desk.tell(click, say.noModal);
  },
};

async function blocksOf(run: RunRequest, { shelf }: FrontDesk): Promise<readonly unknown[]> {
  const { language } = run;
  const say = buttonWordingIn(language);
  const note = (text: string): unknown => ({ type: 'context', elements: [{ type: 'mrkdwn', text, verbatim: true }] });
  const report = await shelf.report(run.id);
  if (report !== undefined) return [note(say.didRun), ...ranBlocks(report, language)];
  const { plan, steps } = await shelf.plan(run);
  return [note(say.wouldRun), ...planBlocks(plan, steps, language)];
}
