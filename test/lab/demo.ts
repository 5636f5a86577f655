import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { recheckAction } from '../../src/adapters/slack/status-message.ts';
import { verdictMark } from '../../src/report/slack-blocks.ts';
import { wording } from '../../src/report/wording.ts';
import { type FakeMessage, startFakeSlack } from '../fakes/slack/fake-slack.ts';
import { renderChange, type RenderOptions } from '../fakes/slack/render-thread.ts';
import { command, type Lab, said, startLab } from './network.ts';
import { reportZero } from './topologies.ts';

/**
 * The main job, shown: field report 0 on the practice network, asked in Slack, mended by hand, checked again. Runs inside
 * test/lab/enter.mjs; `npm run demo` is what starts it. Exits with 1 when any step is not as it should be.
 */
const question = 'node-50 port 1301 from node-12';
const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const rendering: RenderOptions = { width: Math.min(process.stdout.columns ?? 110, 120), colour };
const began = performance.now();
const parts: { what: string; tookMs: number }[] = [];

const print = (text: string) => process.stdout.write(text);
/** The narrator: told apart from what Slack shows. */
const tell = (text: string) => print(`${colour ? '\u001b[1;36m' : ''}▶ ${text}${colour ? '\u001b[0m' : ''}\n`);

async function part<T>(what: string, work: () => Promise<T>): Promise<T> {
  const from = performance.now();
  const result = await work();
  parts.push({ what, tookMs: performance.now() - from });
  return result;
}

/** One HTTP request, as an engineer would try it: the answer, or how it failed. */
async function curl(lab: Lab, from: string, address: string): Promise<string> {
  const script = 'exec 3<>"/dev/tcp/$0/1301" && printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3 && tail -n 1 <&3';
  const { code, stdout, stderr } = await lab.node(from).exec(['timeout', '2', 'bash', '-c', script, address]);
  return code === 0 ? stdout.trim() : code === 124 ? 'no answer within 2 s' : stderr.trim();
}

async function tryAll(lab: Lab, tries: readonly (readonly [string, string, string])[]): Promise<void> {
  const answers = await Promise.all(tries.map(([from, , address]) => curl(lab, from, address)));
  for (const [i, [from, to]] of tries.entries()) print(`    ${from} -> ${to} port 1301: ${answers[i]}\n`);
}

/** The commands that the answer suggests for now, and the node to type them on: read from the message, as a person does. */
function suggestedRemedy(answer: FakeMessage): { node: string; commands: string[] } {
  for (const block of answer.blocks) {
    const text = (block as { text?: { text?: string } }).text?.text ?? '';
    if (!text.includes(`*${wording.en.remedy.temporary}*`)) continue;
    const [, node] = /^\*[^*]+\* · (\S+)/.exec(text) ?? [];
    const [, code] = /```\n?([\s\S]*?)\n?```/.exec(text) ?? [];
    if (node === undefined || code === undefined) continue;
    const plain = code.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
    return { node, commands: plain.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#')) };
  }
  throw new Error('the answer suggests no temporary remedy on a node');
}

/** Logs in as an engineer would and types it. */
async function type(lab: Lab, node: string, line: string): Promise<void> {
  const { code, stdout, stderr } = await command([
    ...'ssh -F none -o BatchMode=yes'.split(' '),
    `-oUserKnownHostsFile=${lab.knownHostsFile}`,
    `-i${lab.identityFile}`,
    `root@${lab.node(node).definition.management}`,
    line,
  ]);
  print(`    ${node}# ${line}\n${(stdout + stderr).replaceAll(/^(?=.)/gm, '    ')}`);
  if (code !== 0) throw new Error(`${line} on ${node} ended with ${code}`);
}

const hasRecheck = (message: FakeMessage) => JSON.stringify(message.blocks).includes(`"${recheckAction}"`);

const lab = await part('practice network up', () => startLab(reportZero));
tell('the practice network is up: node-12 with pods a and b, a router, node-50, and node-51 with the same service');
print(
  '    node-50 imitates a Linux 4.9 with tcp_tw_recycle=1; everything else is what it seems (test/lab/README.md)\n',
);
await part('what people see', () =>
  tryAll(lab, [
    ['pod-b', 'node-50', '172.16.0.50'],
    ['node-12', 'node-50', '172.16.0.50'],
    ['node-12', 'node-51', '172.16.0.51'],
  ]),
);

const slack = await startFakeSlack();
const bot = spawn(
  process.execPath,
  [fileURLToPath(new URL('../../dist/cli.js', import.meta.url)), 'bot', '--config', lab.configFile],
  {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      SLACK_BOT_TOKEN: slack.botToken,
      SLACK_APP_TOKEN: slack.appToken,
      SLACK_API_URL: slack.url,
      REDIS_URL: '',
    },
  },
);
let botSaid = '';
for (const stream of [bot.stdout, bot.stderr]) {
  stream.on('data', (chunk: Buffer) => {
    botSaid = (botSaid + chunk.toString()).slice(-20_000);
  });
}
const botGone = once(bot, 'exit');
const botDied = botGone.then(([code, signal]) => {
  throw new Error(`the bot ended (${String(code ?? signal)}) in the middle:\n${botSaid}`);
});
botDied.catch(() => undefined);

try {
  await part('bot and private Redis up', () =>
    Promise.race([said(bot, 'stderr', /listening to/, 'netcheck bot').then(() => slack.awaitGreetings(1)), botDied]),
  );
  tell('the bot is connected to a practice Slack (Socket Mode) with a private Redis');
  slack.onChange((change) => print(renderChange(change, { ...rendering, users: slack.world.users })));

  tell(`@anna types:  /netcheck ${question}`);
  const answer = await part('question to answer', async () => {
    slack.slash(question);
    return Promise.race([
      slack.awaitMessage((message) => message.threadTs !== undefined && hasRecheck(message), 60_000),
      botDied,
    ]);
  });
  if (!answer.text.startsWith(verdictMark.found)) throw new Error(`a fault was to be found, not: ${answer.text}`);

  const remedy = suggestedRemedy(answer);
  tell(`@anna does what the answer suggests for now, on ${remedy.node}`);
  await part('remedy', async () => {
    for (const line of remedy.commands) await type(lab, remedy.node, line);
  });

  tell('@anna presses Re-check');
  const cleared = await part('Re-check to clear', async () => {
    slack.click(recheckAction, answer);
    return Promise.race([
      slack.awaitMessage(
        (message) => message.ts > answer.ts && message.threadTs !== undefined && hasRecheck(message),
        60_000,
      ),
      botDied,
    ]);
  });
  const whole = JSON.stringify(cleared.blocks);
  if (!/Fixed: .*tcp_tw_recycle 1 → 0/.test(whole)) throw new Error(`it was to say what fixed it, not: ${whole}`);
  if (!cleared.text.startsWith(verdictMark.clear)) throw new Error(`it was to be clear now, not: ${cleared.text}`);
  await tryAll(lab, [
    ['pod-b', 'node-50', '172.16.0.50'],
    ['node-12', 'node-50', '172.16.0.50'],
  ]);
} catch (error) {
  process.exitCode = 1;
  print(`\nthe demo went wrong: ${error instanceof Error ? error.message : String(error)}\n`);
  if (botSaid !== '') print(`the bot said:\n${botSaid}\n`);
} finally {
  await part('take-down', async () => {
    bot.kill('SIGTERM');
    const patience = setTimeout(() => bot.kill('SIGKILL'), 5000);
    await botGone;
    clearTimeout(patience);
    await slack.close();
    await lab.stop();
  });
  tell('everything is taken down');
  for (const { what, tookMs } of parts) print(`    ${what.padEnd(28)}${(tookMs / 1000).toFixed(1).padStart(6)} s\n`);
  print(`    ${'together'.padEnd(28)}${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s\n`);
}
