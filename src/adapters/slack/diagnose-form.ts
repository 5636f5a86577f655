import type { Language } from '../../model/language.ts';
import { unmangle } from '../../model/unmangle.ts';
import { chosenKey, openQuestion } from './ask-back.ts';
import { answerOf, claim } from './claim.ts';
import { draftMs, type FormDraft, readDraft } from './drafts.ts';
import { frontWording } from './front-wording.ts';
import type { Knowledge, Reader } from './knowledge.ts';
import type { FormVerdict, FrontDesk, RunForm } from './run-button.ts';
import { deliveryLeaseMs } from './run-keys.ts';
import { runIdOf } from './start-run.ts';
import { clip } from './status-message.ts';

/** `callback_id` of the message shortcut "Diagnose this". */
export const diagnoseShortcut = 'netcheck_diagnose';
/** `callback_id` of the form, and the `action_id` of its fields that search as one types. */
export const diagnoseCallback = 'netcheck_diagnose_form';
export const searchAction = 'netcheck_search';

/** `block_id` of each field. */
const blocks = {
  target: 'target',
  port: 'port',
  from: 'from',
  symptom: 'symptom',
  words: 'words',
  channel: 'channel',
} as const;

/** Slack waits for three seconds for what is wrong with a form. */
const judgeWithinMs = 1800;
const searchWithinMs = 2000;

/** The form as a modal (docs.slack.dev/reference/views/modal-views), with what is known already in it. */
export function diagnoseView(knowledge: Knowledge, draft: FormDraft, language: Language): unknown {
  const { form } = frontWording(language);
  const plain = (text: string, max: number) => ({ type: 'plain_text', text: clip(text, max) });
  const search = (initial: string | undefined) => ({
    type: 'external_select',
    action_id: searchAction,
    min_query_length: 0,
    placeholder: plain(form.pick, 150),
    ...(initial === undefined ? {} : { initial_option: optionOf(initial, '') }),
  });
  const symptoms = knowledge
    .playbooks(language)
    .slice(0, 100)
    .map(({ id, title }) => ({ text: plain(title, 75), value: clip(id, 150) }));
  return {
    type: 'modal',
    callback_id: diagnoseCallback,
    private_metadata: JSON.stringify(draft).slice(0, 3000),
    title: plain(form.title, 24),
    submit: plain(form.submit, 24),
    close: plain(form.close, 24),
    blocks: [
      input(blocks.target, form.target, search(draft.target), form.targetHint),
      input(blocks.port, form.port, {
        type: 'number_input',
        action_id: 'netcheck_port',
        is_decimal_allowed: false,
        min_value: '1',
        max_value: '65535',
        ...(draft.port === undefined ? {} : { initial_value: String(draft.port) }),
      }),
      input(blocks.from, form.from, search(draft.from), form.fromHint, true),
      ...(symptoms.length === 0
        ? []
        : [
            input(
              blocks.symptom,
              form.symptom,
              { type: 'static_select', action_id: 'netcheck_symptom', options: symptoms },
              form.symptomHint,
              true,
            ),
          ]),
      input(
        blocks.words,
        form.words,
        {
          type: 'plain_text_input',
          action_id: 'netcheck_words',
          max_length: 300,
          ...(draft.symptom === undefined ? {} : { initial_value: clip(draft.symptom, 300) }),
        },
        form.wordsHint,
        true,
      ),
      ...(draft.channel === undefined
        ? [
            input(
              blocks.channel,
              form.channel,
              {
                type: 'conversations_select',
                action_id: 'netcheck_channel',
                default_to_current_conversation: true,
                filter: { include: ['public', 'private'], exclude_bot_users: true },
              },
              form.channelHint,
            ),
          ]
        : [{ type: 'context', elements: [{ type: 'mrkdwn', text: form.answerIn(`<#${draft.channel}>`) }] }]),
    ],
  };

  function input(blockId: string, label: string, element: unknown, hint?: string, optional = false): unknown {
    return {
      type: 'input',
      block_id: blockId,
      label: plain(label, 2000),
      element,
      optional,
      ...(hint === undefined ? {} : { hint: plain(hint, 2000) }),
    };
  }
}

/** A line of a field that searches. */
export interface SelectOption {
  readonly text: { readonly type: 'plain_text'; readonly text: string };
  readonly value: string;
}

/** What the form offers for what was typed so far: names that begin with it, then names that have it in them. */
export async function searchOptions(
  knowledge: Knowledge | undefined,
  who: Reader,
  typed: string,
): Promise<readonly SelectOption[]> {
  const clean = unmangle(typed).slice(0, 100);
  const wanted = clean.toLowerCase();
  const known = knowledge === undefined ? undefined : await answerOf(() => knowledge.nodes(who), searchWithinMs);
  const all = known?.answered === true ? known.value : [];
  const begins = all.filter(({ name }) => name.toLowerCase().startsWith(wanted));
  const contains = all.filter(({ name, about }) => `${name} ${about}`.toLowerCase().includes(wanted));
  const found = [...new Set([...begins, ...contains])];
  const isAddress = /^[0-9a-f.:]{3,45}$/iu.test(clean) && /[.:]/u.test(clean);
  const asTyped = isAddress && !found.some(({ name }) => name === clean) ? [{ name: clean, about: '' }] : [];
  return [...asTyped, ...found].slice(0, 100).map(({ name, about }) => optionOf(name, about));
}

function optionOf(name: string, about: string): SelectOption {
  const text = clip(about === '' ? name : `${name}  ${about}`, 75);
  return { text: { type: 'plain_text', text }, value: name.slice(0, 150) };
}

/** The form sent in: judged at once, then it is a question like any other. */
export const diagnoseForm: RunForm = {
  callbackId: diagnoseCallback,
  async submit(form, desk): Promise<FormVerdict> {
    const draft = readDraft(form.privateMetadata);
    const { fields } = form;
    const channel = draft.channel ?? fields[blocks.channel] ?? '';
    const words = unmangle(fields[blocks.words] ?? '');
    const language = await desk.languageOf(form.user, words);
    const { missingTarget, missingPort } = frontWording(language).form;
    const target = unmangle(fields[blocks.target] ?? '');
    const port = fields[blocks.port] ?? '';
    if (target === '') return { errors: { [blocks.target]: missingTarget } };
    if (!/^\d{1,5}$/u.test(port) || Number(port) < 1 || Number(port) > 65535)
      return { errors: { [blocks.port]: missingPort } };
    const from = unmangle(fields[blocks.from] ?? '');
    const playbook = fields[blocks.symptom] ?? '';
    const text = [
      `${target} port ${port}`,
      ...(from === '' ? [] : [`from ${from}`]),
      ...(playbook === '' ? [] : [`playbook ${playbook}`]),
      ...(words === '' ? [] : [words]),
    ].join(' ');
    const asker = { user: form.user, channel, language };
    const refused = await refusedInTime(desk, text, asker);
    if (refused !== undefined) {
      const field = fieldOf(refused, { from, words });
      return { errors: { [field]: clip([refused.message, refused.hint].join(' ').trim(), 1500) } };
    }
    return {
      async work() {
        const found = draft.question === undefined ? undefined : await openQuestion(desk.store, draft.question);
        const question = found?.answered === true && found.question?.user === form.user ? found.question : undefined;
        const once =
          question === undefined ? undefined : await claim(desk.store, chosenKey(question.id), 'form', deliveryLeaseMs);
        // A question that was answered by a button in the meantime keeps its answer; this is one more.
        const isAnswer = question !== undefined && once?.got === 'first';
        const rootTs = draft.rootTs ?? (isAnswer ? question.ts : undefined);
        const outcome = await desk.start({
          runId: runIdOf('form', form.team, form.viewId),
          text,
          asker,
          ...(rootTs === undefined ? {} : { rootTs }),
          ...(isAnswer ? { statusTs: question.ts } : {}),
          // An empty field is an answer, too.
          settled: ['meaning', 'from'],
          redelivered: false,
          tell: (answer, answerBlocks) =>
            desk.tell({ channel, user: form.user, threadTs: draft.rootTs }, answer, answerBlocks),
        });
        if (once?.got !== 'first') return;
        if (outcome === 'failed' || outcome === 'told') await once.release();
        else await once.keep(draftMs);
      },
    };
  },
};

type Refused = { readonly message: string; readonly hint: string; readonly code?: string | undefined };

/** What is wrong with the question, where that is known in time; else it is said in the channel. */
async function refusedInTime(
  desk: FrontDesk,
  text: string,
  asker: Parameters<FrontDesk['ask']>[1],
): Promise<Refused | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), judgeWithinMs);
  });
  try {
    const judged = await Promise.race([desk.ask(text, asker), patience]);
    return judged === undefined || judged.ok ? undefined : judged;
  } finally {
    clearTimeout(timer);
  }
}

const fieldOfCode: Readonly<Record<string, string>> = {
  'ask/bad-port': blocks.port,
  'ask/unknown-playbook': blocks.symptom,
  'ask/same-node': blocks.from,
  'ask/bad-size': blocks.words,
  'ask/bad-duration': blocks.words,
  'ask/too-long': blocks.words,
};

/** The field that a refusal is about: the one that has what it quotes, else the target. */
function fieldOf(
  { code = '', message }: Refused,
  { from, words }: { readonly from: string; readonly words: string },
): string {
  const known = fieldOfCode[code];
  if (known !== undefined) return known;
  const quoted = /"([^"]+)"/u.exec(message)?.[1] ?? '';
  if (quoted !== '' && quoted === from) return blocks.from;
  return quoted !== '' && words.split(' ').includes(quoted) ? blocks.words : blocks.target;
}
