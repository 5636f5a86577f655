import type { RunRequest } from '../../engine/ports.ts';
import { changeWording } from './change-wording.ts';
import { claim } from './claim.ts';
import type { ClickDelivery } from './deliveries.ts';
import { codeSpan, escapeMrkdwn, mentionOf } from './mrkdwn.ts';
import { ownWords } from './own-words.ts';
import { decidedKey, findProposal, type Proposal, proposalMs } from './proposal.ts';
import type { FrontDesk, RunButton } from './run-button.ts';
import { deliveryLeaseMs } from './run-keys.ts';
import { metadataOf } from './run-messages.ts';
import { runIdOf } from './start-run.ts';
import { approveAction, withdrawAction } from './status-message.ts';
import { wordingIn } from './wording.ts';

/** Approve: by a second person, once, while the proposal stands. Queues the run that tries the change. */
export const approveButton: RunButton = {
  action: approveAction,
  async press(click, desk) {
    const known = await standing(click, desk);
    if (known === undefined) return;
    const { proposal, language } = known;
    // Who asked for the change, and who asked the question, have had their say.
    const run = await desk.runBehind('approve', { ...click, value: proposal.runId }, [proposal.askedBy]);
    if (run === undefined) return;
    const say = changeWording(language);
    const once = await claim(desk.store, decidedKey(proposal.id), 'approved', deliveryLeaseMs);
    if (once.got !== 'first') {
      await desk.tell(click, once.got === 'again' ? say.alreadyDecided : ownWords(wordingIn(language).queueDown));
      return;
    }
    const outcome = await desk.start({
      runId: runIdOf('trial', proposal.id),
      text: run.text,
      asker: { user: click.user, channel: click.channel, language: run.language },
      rootTs: run.thread.rootTs,
      recheckOf: run.id,
      trial: { ...proposal.offered, askedBy: proposal.askedBy, approvedBy: click.user },
      redelivered: false,
      tell: (text, blocks) => desk.tell(click, text, blocks),
    });
    if (outcome === 'failed' || outcome === 'told') {
      await once.release();
      return;
    }
    await once.keep(proposalMs);
    await announce(desk, run, proposal, say.approvedBy(mentionOf(click.user)));
  },
};

/** Withdraw: by who asked for it, or by whoever might approve it. */
export const withdrawButton: RunButton = {
  action: withdrawAction,
  async press(click, desk) {
    const known = await standing(click, desk);
    if (known === undefined) return;
    const { proposal, language } = known;
    const deed = click.user === proposal.askedBy ? 'apply' : 'approve';
    const run = await desk.runBehind(deed, { ...click, value: proposal.runId });
    if (run === undefined) return;
    const say = changeWording(language);
    const once = await claim(desk.store, decidedKey(proposal.id), 'withdrawn', proposalMs);
    if (once.got === 'first') await announce(desk, run, proposal, say.withdrawnBy(mentionOf(click.user)));
    else await desk.tell(click, once.got === 'again' ? say.alreadyDecided : ownWords(wordingIn(language).queueDown));
  },
};

/** The proposal behind a button; where it does not stand any more the person was told. */
async function standing(
  click: ClickDelivery,
  desk: FrontDesk,
): Promise<{ readonly proposal: Proposal; readonly language: RunRequest['language'] } | undefined> {
  const language = await desk.languageOf(click.user, '');
  const found = await findProposal(desk.store, click.value);
  if (found.answered && found.proposal !== null) return { proposal: found.proposal, language };
  await desk.tell(click, found.answered ? changeWording(language).expired : ownWords(wordingIn(language).queueDown));
  return undefined;
}

/** What was decided, for everybody in the thread. */
async function announce(desk: FrontDesk, run: RunRequest, { id, offered }: Proposal, words: string): Promise<void> {
  const text = `🛠 ${words}: *${escapeMrkdwn(offered.node)}* ${codeSpan(offered.command)}`;
  await desk.outbox.post({
    channel: run.thread.channel,
    threadTs: run.thread.rootTs,
    body: { text, blocks: [{ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } }] },
    plain: text,
    metadata: metadataOf('decided', id),
    find: () => Promise.resolve({ found: 'unknown', why: 'said once is enough', passing: false }),
  });
}
