import type { Report } from '../../model/report.ts';
import { evidenceBlocks, evidenceListBlocks } from '../../report/evidence-blocks.ts';
import type { RunRequest } from '../../engine/ports.ts';
import { buttonWordingIn } from './button-wording.ts';
import { aboutOf, aboutRun, type AboutRun, type Modal, openModal, updateModal } from './modal.ts';
import type { RunButton } from './run-button.ts';
import { evidenceAction } from './status-message.ts';

/** `action_id` of the select in the modal. */
export const pickAction = 'netcheck_evidence_pick';

/** Evidence: the list of what was read. Only the one who asks sees it. */
export const evidenceButton: RunButton = {
  action: evidenceAction,
  async press(click, desk) {
    const run = await desk.runBehind('evidence', click);
    if (run === undefined) return;
    const say = buttonWordingIn(run.language);
    const report = await desk.shelf.report(run.id);
    if (report === undefined) {
      await desk.tell(click, say.notHere);
      return;
    }
    const modal = modalOf(run, report, aboutRun(run, click));
    if (!(await openModal(desk, click.triggerId, modal))) await desk.tell(click, say.noModal);
  },
};

/** One of the list is picked: the modal shows its text below the list. */
export const evidencePick: RunButton = {
  action: pickAction,
  async press(click, desk) {
    const about = aboutOf(click.view?.privateMetadata ?? '');
    if (about === undefined || click.view === undefined) return;
    // Checked again: a modal may stay open for hours, and rights change.
    const run = await desk.runBehind('evidence', { ...click, ...about, value: about.runId });
    if (run === undefined) return;
    const report = await desk.shelf.report(run.id);
    const entry = /^\d{1,5}$/u.test(click.value) ? report?.evidence[Number(click.value)] : undefined;
    if (report === undefined || entry === undefined) return;
    const output = await desk.shelf.output(run.id, entry);
    const shown =
      output === undefined
        ? [section(buttonWordingIn(run.language).outputNotHere)]
        : evidenceBlocks(report, entry, output, run.language);
    await updateModal(desk, click.view.id, modalOf(run, report, about, [{ type: 'divider' }, ...shown]));
  },
};

function modalOf(run: RunRequest, report: Report, about: AboutRun, shown: readonly unknown[] = []): Modal {
  const say = buttonWordingIn(run.language);
  const list = evidenceListBlocks(report, run.language, pickAction);
  return {
    callbackId: evidenceAction,
    title: say.evidence,
    close: say.close,
    about,
    blocks: [...list, ...shown].slice(0, 100),
  };
}

function section(text: string): unknown {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
}
