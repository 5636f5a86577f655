import type { MayAct } from './adapters/slack/behind-button.ts';
import type { Ask, Asker } from './adapters/slack/start-run.ts';
import type { AccessCheck, Refusal } from './check-access.ts';
import type { LoadedConfig } from './config.ts';
import { inventoryNodes } from './config.ts';
import { closestNames } from './engine/inventory.ts';
import { planKey } from './engine/plan-key.ts';
import type { AccessAction } from './model/access-action.ts';
import { NetcheckError, sentencesOf } from './model/errors.ts';
import type { Language } from './model/language.ts';
import { assumptionLines } from './report/assumptions.ts';
import type { Wiring } from './wiring.ts';

/** Judges what people want before anything happens; refusals and presses go into the audit log. */
export interface Judge {
  readonly ask: Ask;
  readonly mayAct: MayAct;
  /** For what is about no run: history, lists, App Home. Undefined where it is allowed. */
  readonly mayDo: (
    action: AccessAction,
    who: { readonly user: string; readonly channel: string; readonly language: Language },
  ) => Promise<Refusal | undefined>;
}

export function createJudge(wiring: Pick<Wiring, 'plan' | 'writeLog' | 'loaded'>, access: AccessCheck): Judge {
  const { plan, writeLog, loaded } = wiring;

  async function refused(
    action: AccessAction,
    { user, channel }: { readonly user: string; readonly channel: string },
    text: string,
    refusal: Refusal,
    run?: string,
  ): Promise<{ readonly ok: false } & Refusal> {
    const why = `${refusal.message} ${refusal.hint}`.trim();
    await writeLog({
      event: 'refused',
      atMs: Date.now(),
      ...(run === undefined ? {} : { run }),
      askedBy: user,
      channel,
      action,
      text,
      why,
    });
    return { ok: false, ...refusal };
  }

  return {
    async ask(text, asker) {
      const { user, channel, language } = asker;
      // First without a plan: an error of planning names nodes, which a stranger must not learn.
      const stranger = await access.refuse({ user, channel, action: 'ask' }, language);
      if (stranger) return refused('ask', asker, text, stranger);
      try {
        const planned = await plan(text);
        const refusal = await access.refuse({ user, channel, action: 'ask', plan: planned }, language);
        if (refusal) return await refused('ask', asker, text, refusal);
        return {
          ok: true,
          key: planKey(planned),
          describe: [
            planned.nodes.map(({ node, roles }) => `${node.name} (${roles.join(', ')})`).join(', '),
            ...assumptionLines(planned, language),
          ].join(' · '),
        };
      } catch (error) {
        if (!(error instanceof NetcheckError)) throw error;
        return { ok: false, code: error.code, ...(await withoutOtherNodes(error, asker, access, loaded)) };
      }
    },

    async mayAct(action, { user, channel, run, others }) {
      if (others?.includes(user) === true)
        return refused(action, { user, channel }, run.text, secondPerson[run.language], run.id);
      // A node may be gone from the inventory since; then only the person, the place and the deed can be judged.
      const planned = await plan(run.text).catch(() => undefined);
      const refusal = await access.refuse({ user, channel, action, plan: planned }, run.language);
      if (refusal) return refused(action, { user, channel }, run.text, refusal, run.id);
      await writeLog({ event: 'pressed', atMs: Date.now(), run: run.id, askedBy: user, channel, action });
      return { ok: true };
    },

    async mayDo(action, { user, channel, language }) {
      const refusal = await access.refuse({ user, channel, action }, language);
      if (refusal) await refused(action, { user, channel }, action, refusal);
      return refusal;
    },
  };
}

const secondPerson = {
  en: {
    message: 'A change needs two people: you have asked for it, or for the run that found it.',
    hint: 'Somebody else who may approve changes must press Approve.',
  },
  zh: {
    message: '改动需要两个人：你提出了它，或提出了发现它的问题。',
    hint: '请由另一位有权批准改动的人按“批准”。',
  },
} as const;

/** "Did you mean …" only with names that this person may know. */
async function withoutOtherNodes(
  error: NetcheckError,
  asker: Asker,
  access: AccessCheck,
  loaded: LoadedConfig,
): Promise<Refusal> {
  const { message, hint } = sentencesOf(error, asker.language);
  if (error.code !== 'ask/unknown-node' || loaded.config.access === undefined) return { message, hint };
  const visible = await access.visible(asker, inventoryNodes(loaded));
  const wanted = /"([^"]*)"/u.exec(error.message)?.[1] ?? '';
  const close = closestNames(
    wanted,
    visible.map(({ name }) => name),
  );
  const words = {
    en: {
      close: `Did you mean ${close.join(', ')}?`,
      none: 'The people who run netcheck know which nodes there are.',
    },
    zh: { close: `是不是 ${close.join('、')}？`, none: '有哪些节点，请问负责 netcheck 的人。' },
  }[asker.language];
  return { message, hint: close.length > 0 ? words.close : words.none };
}
