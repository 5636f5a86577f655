import type { Language } from '../../../src/model/language.ts';
import { createFront } from '../../../src/adapters/slack/front.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import { slackHelp } from '../../../src/help.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { knownWorld, pastRun } from '../../adapters/slack/known-world.ts';
import { memoryQueue, memoryStore } from './memory-ports.ts';
import type { Exhibit } from './render-html.ts';
import { type FakeMessage, SlackWorld } from './slack-world.ts';
import { worldCalls } from './world-calls.ts';

const channel = 'C0INCIDENT';

/** What people see before there is a run: the form, App Home, answers to sub-commands, questions back, refusals. */
export async function frontExhibits(language: Language): Promise<Exhibit[]> {
  const shown: Exhibit[] = [];
  for (const text of [
    'nodes',
    'playbooks',
    'status',
    'history node-50',
    'help',
    'node-99 port 1301',
    'node-50; reboot',
  ]) {
    const { world, slash } = frontIn(language);
    const told = await slash(text);
    const whispered = world.changes.filter(({ what }) => what === 'ephemeral').map(({ message }) => message.text);
    shown.push({
      title: `/netcheck ${text} (${language})`,
      onlyFor: 'U0ANNA',
      thread: [...told, ...whispered].map((one) => message(one)),
    });
  }

  const form = frontIn(language);
  await form.slash('');
  for (const view of form.world.views.values())
    shown.push({
      title: `/netcheck: the form (${language})`,
      view: { type: 'modal', title: plain(view.title), blocks: view.blocks, submit: plain('Diagnose') },
    });

  const home = frontIn(language);
  await home.front.homeOpened('U0ANNA');
  shown.push({ title: `App Home (${language})`, view: { type: 'home', blocks: home.world.homes.get('U0ANNA') ?? [] } });

  for (const [name, said] of Object.entries({
    'understood from the alert above': 'please have a look',
    'a question back': language === 'zh' ? 'node-50 端口 1301' : 'node-50 port 1301',
    'not enough said': '',
  })) {
    const { world, front } = frontIn(language);
    const isEmpty = said === '';
    const above = isEmpty
      ? world.say('U0BEN', channel, 'node-50 is so slow today')
      : world.say('U0ALERTS', channel, 'PortDown: node-12 cannot reach node-50:1301, refused');
    const root = name === 'a question back' ? undefined : above;
    const own = world.say('U0ANNA', channel, `<@U0NETCHECK> ${said}`, root?.ts);
    await front.mention({
      text: own.text,
      user: 'U0ANNA',
      channel,
      team: 'T0',
      ts: own.ts,
      threadTs: root?.ts,
      redelivered: false,
      botUserId: 'U0NETCHECK',
    });
    const ours = world.changes.filter(({ what }) => what === 'ephemeral').map((change) => change.message);
    shown.push({ title: `@netcheck: ${name} (${language})`, thread: [...world.thread((root ?? own).ts), ...ours] });
  }
  return shown;
}

/** A front in a workspace of its own. */
function frontIn(language: Language) {
  const world = new SlackWorld({ rates: 'off' });
  for (const user of world.users.keys()) world.locales.set(user, language === 'zh' ? 'zh-CN' : 'en-US');
  const calls = worldCalls(world, { latencyMs: 0 });
  const outbox = createOutbox({ calls, postGapMs: 0, updateGapMs: 0, settleMs: 0, backoffMs: 0 });
  const store = memoryStore();
  const told: string[] = [];
  const front = createFront({
    outbox,
    calls,
    store,
    queue: memoryQueue(),
    ask: async (text) =>
      /node-99|;/u.test(text)
        ? {
            ok: false,
            code: 'ask/unknown-node',
            message: language === 'zh' ? '没有叫 "node-99" 的节点。' : 'There is no node "node-99".',
            hint: language === 'zh' ? '是不是 node-50？' : 'Did you mean node-50?',
          }
        : { ok: true, describe: 'TCP port 1301 on node-50 (target), from node-12' },
    helpText: (asked) => slackHelp(asked, '/netcheck'),
    threadOf: (request) => createSlackThread(request, { outbox, calls, store, renderReport: renderSlackReport }),
    language,
    command: '/netcheck',
    knowledge: knownWorld({
      recentRuns: async () => [pastRun(), pastRun({ id: 'run2', verdict: 'clear', headline: 'No fault found' })],
    }),
    threadLink: (one, ts) => `https://practice.slack.com/archives/${one}/p${ts.replace('.', '')}`,
  });
  const slash = async (text: string): Promise<readonly string[]> => {
    await front.slash({
      text,
      user: 'U0ANNA',
      channel,
      team: 'T0',
      triggerId: world.trigger('U0ANNA'),
      respond: async (answer) => void told.push(answer),
    });
    return told;
  };
  return { world, front, slash };
}

function plain(text: string): unknown {
  return { type: 'plain_text', text };
}

function message(text: string): FakeMessage {
  return { channel, ts: '1.1', user: 'U0NETCHECK', text, blocks: [], files: [], postedAtMs: 0, edits: 0, pings: [] };
}
