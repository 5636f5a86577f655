import type { Report } from '../../model/report.ts';
import { type ButtonWording, buttonWordingIn } from './button-wording.ts';
import { claim } from './claim.ts';
import { aboutOf, aboutRun, openModal } from './modal.ts';
import { escapeMrkdwn } from './mrkdwn.ts';
import { ownWords } from './own-words.ts';
import type { RunButton, RunForm } from './run-button.ts';
import { deliveryKey, deliveryLeaseMs, keepMs } from './run-keys.ts';
import { clip, wrongVerdictAction } from './status-message.ts';
import { wordingIn } from './wording.ts';

/** `block_id` of the two fields. */
const wasField = 'was';
const wordsField = 'words';
/** What is said that is no rule. */
const nothing = 'nothing';
const other = 'other';
const maxWords = 2000;
/** Options of one group of a select. */
const maxOptions = 100;

/** Wrong verdict: asks what it was instead. */
export const wrongVerdictButton: RunButton = {
  action: wrongVerdictAction,
  async press(click, desk) {
    const run = await desk.runBehind('wrongVerdict', click);
    if (run === undefined) return;
    const say = buttonWordingIn(run.language);
    const report = await desk.shelf.report(run.id);
    const modal = {
      callbackId: wrongVerdictAction,
      title: say.wrongVerdict,
      submit: say.send,
      close: say.close,
      about: aboutRun(run, click),
      blocks: fields(report, desk.shelf.rules, say),
    };
    if (!(await openModal(desk, click.triggerId, modal))) await desk.tell(click, say.noModal);
  },
};

/** The note is kept with the run. */
export const wrongVerdictForm: RunForm = {
  callbackId: wrongVerdictAction,
  async submit(form, desk) {
    const was = form.fields[wasField] ?? '';
    const words = clip(form.fields[wordsField] ?? '', maxWords);
    const about = aboutOf(form.privateMetadata);
    if (about === undefined) return { work: async () => {} };
    const known = was === nothing || was === other || desk.shelf.rules.includes(was);
    if (!known || (was === other && words === '')) {
      return { errors: { [known ? wordsField : wasField]: buttonWordingIn(about.language).wordsNeeded } };
    }
    return {
      async work() {
        const place = { user: form.user, channel: about.channel, threadTs: about.threadTs };
        const run = await desk.runBehind('wrongVerdict', {
          ...place,
          action: wrongVerdictAction,
          value: about.runId,
          team: form.team,
          triggerId: '',
        });
        if (run === undefined) return;
        const say = buttonWordingIn(run.language);
        const once = await claim(desk.store, deliveryKey(`note-${form.viewId}`), form.user, deliveryLeaseMs);
        if (once.got === 'again') return;
        if (once.got === 'down') return desk.tell(place, ownWords(wordingIn(run.language).queueDown));
        const report = await desk.shelf.report(run.id);
        const said = report && { verdict: report.verdict, headline: report.headline };
        try {
          const kept = await desk.shelf.keepNote(run.id, {
            who: form.user,
            atMs: Date.now(),
            was,
            words,
            text: run.text,
            ...(said === undefined ? {} : { said }),
          });
          await once.keep(keepMs);
          await desk.tell(place, kept === 'withRun' ? say.kept : say.keptAlone);
        } catch (error) {
          await once.release();
          desk.log(`slack: a note on ${run.id} could not be kept: ${String(error)}`);
          await desk.tell(place, say.notKept);
        }
      },
    };
  },
};

function fields(report: Report | undefined, rules: readonly string[], say: ButtonWording): readonly unknown[] {
  const groups = [{ label: plain(say.notARule), options: [option(say.nothing, nothing), option(say.other, other)] }];
  for (let from = 0; from < rules.length; from += maxOptions) {
    const some = rules.slice(from, from + maxOptions);
    const label = say.rules(some[0] ?? '', some.at(-1) ?? '');
    groups.push({ label: plain(label), options: some.map((rule) => option(rule, rule)) });
  }
  const said = report && `_${say.said(escapeMrkdwn(clip(report.headline, 500)))}_`;
  return [
    ...(said === undefined ? [] : [{ type: 'section', text: { type: 'mrkdwn', text: said, verbatim: true } }]),
    {
      type: 'input',
      block_id: wasField,
      label: plain(say.whatWasIt),
      element: {
        type: 'static_select',
        action_id: wasField,
        placeholder: plain(say.pickRule),
        option_groups: groups,
      },
    },
    {
      type: 'input',
      block_id: wordsField,
      optional: true,
      label: plain(say.inYourWords),
      hint: plain(say.wordsHint, 500),
      element: { type: 'plain_text_input', action_id: wordsField, multiline: true, max_length: maxWords },
    },
  ];
}

function option(text: string, value: string): { readonly text: unknown; readonly value: string } {
  return { text: plain(text), value };
}

function plain(text: string, max = 75): unknown {
  return { type: 'plain_text', text: clip(text, max) };
}
