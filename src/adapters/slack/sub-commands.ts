import type { Language } from '../../model/language.ts';
import { answerOf } from './claim.ts';
import { frontWording, whenOf } from './front-wording.ts';
import type { Knowledge, KnownWorker, Reader, SystemStatus } from './knowledge.ts';
import { codeSpan, escapeMrkdwn } from './mrkdwn.ts';
import { quotingWords } from './own-words.ts';
import { pastRunLine } from './past-run-line.ts';
import type { StartRunOptions } from './start-run.ts';
import { clip } from './status-message.ts';

type Desk = Pick<StartRunOptions, 'knowledge' | 'command' | 'threadLink' | 'outbox'>;

/** Most that one short answer shows; the rest is counted. */
const bounds = { nodes: 60, runs: 10, playbooks: 60, workers: 10, chars: 3000, withinMs: 5000 } as const;

/**
 * The answer to `nodes [filter]`, `playbooks`, `history [node]` and `status`, for the asker only.
 * @returns undefined where the text is none of them, but a question
 */
export async function subCommandAnswer(desk: Desk, text: string, who: Reader): Promise<string | undefined> {
  const { knowledge } = desk;
  if (knowledge === undefined) return undefined;
  const [word = '', argument = '', ...rest] = text.split(' ');
  if (rest.length > 0) return undefined;
  const command = commands.get(word.toLowerCase());
  if (command === undefined || (argument !== '' && !command.hasArgument)) return undefined;
  const refused = await knowledge.mayLook(who);
  return refused === undefined ? command.answer({ ...desk, knowledge }, who, argument) : quotingWords(refused);
}

type WithKnowledge = Desk & { readonly knowledge: Knowledge };

interface SubCommand {
  readonly hasArgument: boolean;
  answer(desk: WithKnowledge, who: Reader, argument: string): Promise<string>;
}

const nodes: SubCommand = {
  hasArgument: true,
  async answer({ knowledge, command }, who, filter) {
    const wording = frontWording(who.language);
    const all = await answerOf(() => knowledge.nodes(who), bounds.withinMs);
    const known = all.answered ? all.value : [];
    const wanted = filter.toLowerCase();
    const found = known.filter(({ name }) => name.toLowerCase().includes(wanted));
    if (found.length === 0) return wording.noNodes(filter === '' ? '' : codeSpan(clip(filter, 100)));
    const lines = fitting(
      found
        .slice(0, bounds.nodes)
        .map(({ name, about }) => `${codeSpan(name)}${about === '' ? '' : ` ${escapeMrkdwn(clip(about, 60))}`}`),
    );
    const rest = found.length - lines.length;
    return [
      wording.nodes(found.length, known.length),
      ...lines,
      ...(rest > 0 ? [wording.moreNodes(rest, command)] : []),
    ].join('\n');
  },
};

const playbooks: SubCommand = {
  hasArgument: false,
  async answer({ knowledge }, { language }) {
    const lines = knowledge
      .playbooks(language)
      .slice(0, bounds.playbooks)
      .map(({ id, title }) => `${codeSpan(id)} ${escapeMrkdwn(clip(title, 150))}`);
    return [frontWording(language).playbooks, ...fitting(lines)].join('\n');
  },
};

const history: SubCommand = {
  hasArgument: true,
  async answer({ knowledge, threadLink }, who, node) {
    const wording = frontWording(who.language);
    const query = { ...(node === '' ? {} : { node }), limit: bounds.runs };
    const runs = await answerOf(() => knowledge.recentRuns(who, query), bounds.withinMs);
    if (!runs.answered) return wording.historyUnknown;
    const lines = runs.value.slice(0, bounds.runs).map((run) => pastRunLine(run, who.language, threadLink));
    const about = node === '' ? '' : codeSpan(clip(node, 100));
    return [wording.history(about), ...(lines.length === 0 ? [wording.noHistory] : fitting(lines))].join('\n');
  },
};

const status: SubCommand = {
  hasArgument: false,
  answer: async (desk, { language }) => (await statusLines(desk, language)).join('\n'),
};

const commands: ReadonlyMap<string, SubCommand> = new Map(
  Object.entries({
    nodes,
    节点: nodes,
    playbooks,
    剧本: playbooks,
    history,
    历史: history,
    status,
    状态: status,
  }),
);

/** Redis, Slack, the queue and the workers, one line each. */
export async function statusLines({ knowledge, outbox }: Desk, language: Language): Promise<readonly string[]> {
  const wording = frontWording(language).status;
  const asked = await answerOf(() => knowledge?.status() ?? Promise.resolve({}), bounds.withinMs);
  const known: SystemStatus = asked.answered ? asked.value : {};
  const { redis, waiting, running, workers } = known;
  const lastSentAtMs = outbox.lastSentAtMs();
  return [
    wording.title,
    redis === undefined ? wording.noRedis : wording.redis(escapeMrkdwn(redis)),
    ...(waiting === undefined || running === undefined ? [] : [wording.queue(waiting, running)]),
    ...(workers === undefined ? [] : workerLines(workers, wording)),
    lastSentAtMs === undefined ? wording.slackSilent : wording.slack(whenOf(lastSentAtMs)),
  ];
}

/** How many there are, and of the first of them where, since when, and how busy. */
function workerLines(
  workers: readonly KnownWorker[],
  wording: ReturnType<typeof frontWording>['status'],
): readonly string[] {
  if (workers.length === 0) return [wording.noWorkers];
  const shown = workers.slice(0, bounds.workers);
  return [
    wording.workers(workers.length),
    ...shown.map(({ host, pid, runs, sinceMs }) => wording.worker(codeSpan(`${host}:${pid}`), runs, whenOf(sinceMs))),
    ...(workers.length > shown.length ? [wording.moreWorkers(workers.length - shown.length)] : []),
  ];
}

/** As many lines as one message takes. */
function fitting(lines: readonly string[]): readonly string[] {
  let chars = 300;
  const at = lines.findIndex((line) => {
    chars += line.length + 1;
    return chars > bounds.chars;
  });
  return at < 0 ? lines : lines.slice(0, at);
}
