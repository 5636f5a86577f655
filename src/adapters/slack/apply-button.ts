import { changesIn } from '../../model/change.ts';
import type { Language } from '../../model/language.ts';
import { changeWording } from './change-wording.ts';
import { claim } from './claim.ts';
import type { ClickDelivery } from './deliveries.ts';
import { fitBlocks, plainTextOf } from './fit-blocks.ts';
import { codeSpan, escapeMrkdwn, mentionOf } from './mrkdwn.ts';
import type { MessageBody } from './outbox.ts';
import { ownWords } from './own-words.ts';
import { keepProposal, type Proposal, proposalMs, proposingKey } from './proposal.ts';
import { refusalOf } from './refusals.ts';
import type { FrontDesk, RunButton } from './run-button.ts';
import { blockIdOf, findRunMessage, metadataOf } from './run-messages.ts';
import { runIdOf } from './start-run.ts';
import { applyAction, approveAction, button, withdrawAction } from './status-message.ts';
import { wordingIn } from './wording.ts';

/** Apply: shows in the thread what would be changed, for somebody else to approve. Changes nothing. */
export const applyButton: RunButton = {
  action: applyAction,
  async press(click, desk) {
    const run = await desk.runBehind('apply', click);
    if (run === undefined) return;
    const say = changeWording(run.language);
    const report = await desk.shelf.report(run.id);
    const offered = report === undefined ? [] : changesIn(report);
    if (offered.length === 0) {
      await desk.tell(click, report === undefined ? say.notHere : say.nothingToApply);
      return;
    }
    const once = await claim(desk.store, proposingKey(run.id), click.user, proposalMs);
    if (once.got !== 'first') {
      await desk.tell(click, once.got === 'again' ? say.alreadyProposed : ownWords(wordingIn(run.language).queueDown));
      return;
    }
    const proposals = offered.map((one, at): Proposal => {
      const id = runIdOf('proposal', run.id, click.triggerId, String(at));
      return { id, runId: run.id, askedBy: click.user, offered: one };
    });
    const kept = await Promise.all(proposals.map((one) => keepProposal(desk.store, one)));
    if (kept.includes(false) || !(await post(click, desk, proposals, run.thread.rootTs, run.language)))
      await once.release();
  },
};

async function post(
  click: ClickDelivery,
  desk: FrontDesk,
  proposals: readonly Proposal[],
  rootTs: string,
  language: Language,
): Promise<boolean> {
  const body = proposalMessage(proposals, language);
  const id = proposals[0]?.id ?? '';
  const sent = await desk.outbox.post({
    channel: click.channel,
    threadTs: rootTs,
    body,
    plain: plainTextOf(body.blocks),
    metadata: metadataOf('proposal', id),
    find: () =>
      findRunMessage(desk.calls, 'proposal', id, {
        channel: click.channel,
        rootTs,
        oldestTs: String(Math.floor(Date.now() / 1000) - 900),
      }),
  });
  if (sent.sent) return true;
  const why = sent.because === 'refused' ? refusalOf(sent.error, language) : wordingIn(language).slackTrouble;
  await desk.tell(click, ownWords(why));
  return false;
}

/** What would be changed, who asked, what happens then; a button for each change. */
export function proposalMessage(proposals: readonly Proposal[], language: Language): MessageBody {
  const say = changeWording(language);
  const [first] = proposals;
  const asker = mentionOf(first?.askedBy ?? '');
  const blocks = [
    section(`🛠 *${say.proposed}*\n${say.needsSecond(asker)}`),
    ...proposals.flatMap(({ id, offered }) => [
      section(`*${escapeMrkdwn(offered.node)}*: ${codeSpan(offered.command)}`),
      {
        type: 'actions',
        block_id: blockIdOf('proposal', id),
        elements: [button(approveAction, say.approve, id), button(withdrawAction, say.withdraw, id)],
      },
    ]),
    { type: 'context', elements: [{ type: 'mrkdwn', text: say.whatHappens, verbatim: true }] },
  ];
  return {
    text: `🛠 ${say.proposed}: ${proposals.map(({ offered }) => `${escapeMrkdwn(offered.node)} ${codeSpan(offered.command)}`).join(', ')}`,
    blocks: fitBlocks(blocks, [], language),
  };
}

function section(text: string): unknown {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
}
