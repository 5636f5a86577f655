import type { Probe } from '../model/facts.ts';
import type { ParseInput, Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { count, epochMsOf } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * What the probe script prints: `attempt N START END STATUS MESSAGE`, START and END as `date +%s.%N`, MESSAGE from
 * bash, nc, python or perl. Host, port and time limit come from its command (`sh -c SCRIPT sh HOST PORT COUNT LIMIT`).
 * An attempt that could not be made at all (no such tool, a shell without /dev/tcp) is no probe but a problem.
 */
export const tcpProbe: Parser<readonly Probe[]> = {
  kind: 'tcp-probe',
  reads: "the probe script's lines: attempt N START END STATUS MESSAGE",
  fact: 'probes',
  sample: `attempt 1 1795234472.275310376 1795234472.276801224 0 
attempt 2 1795234473.280112005 1795234473.281337118 1 bash: connect: Connection refused
attempt 3 1795234474.284911502 1795234479.289410077 124 
`,
  parse(input) {
    const problems = problemList();
    const asked = askedOf(input);
    const probes: Probe[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      const match = /^attempt (\d{1,6}) (\S{1,40}) (\S{1,40}) (\d{1,3})(?: (.*))?$/.exec(text);
      const attempt = count(match?.[1]);
      const startedAtMs = epochMsOf(match?.[2]);
      const endedAtMs = epochMsOf(match?.[3]);
      const status = count(match?.[4]);
      if (attempt === undefined || startedAtMs === undefined || endedAtMs === undefined || status === undefined) {
        problems.add(`not an attempt: ${excerpt(text)}`, line);
        continue;
      }
      const message = excerpt(match?.[5] ?? '');
      if (cannotTry(status, message)) {
        problems.add(`attempt ${attempt} could not be made: ${message === '' ? `status ${status}` : message}`, line);
        continue;
      }
      const tookMs = Math.max(0, Math.round((endedAtMs - startedAtMs) * 1000) / 1000);
      const outcome = outcomeOf(status, message, tookMs, asked.limitMs);
      const { to, port } = asked;
      probes.push({ to, port, attempt, startedAtMs, tookMs, outcome, message, at: { evidence: input.evidence, line } });
    }
    if (probes.length === 0) return nothingUsable(input, problems, 'attempts');
    addStderr(input, problems);
    // Attempts run side by side and are printed as they end.
    return { value: probes.sort((a, b) => a.attempt - b.attempt), problems: problems.all() };
  },
};

interface Asked {
  readonly to: string;
  readonly port: number;
  readonly limitMs: number | undefined;
}

function askedOf({ argv }: ParseInput): Asked {
  const script = argv.indexOf('-c');
  const [host = '', port, , limit] = script === -1 ? [] : argv.slice(script + 3);
  const limitSec = count(limit);
  return {
    to: address(host) ?? host,
    port: count(port) ?? 0,
    limitMs: limitSec === undefined ? undefined : limitSec * 1000,
  };
}

/** 126 and 127 are the shell's: nothing was run. A shell without network redirections opens a file instead. */
function cannotTry(status: number, message: string): boolean {
  if (status === 126 || status === 127) return true;
  return status !== 0 && /\/dev\/tcp\/.*(?:No such file|nonexistent|does not exist)/i.test(message);
}

/** Wording of glibc, musl, bash, nc of several kinds, python and perl; the Chinese of glibc, bash and ncat. */
const wordings: readonly (readonly [RegExp, Probe['outcome']])[] = [
  [/refused|拒绝连接|连接被拒绝|Errno 111\b/i, 'refused'],
  [/No route to host|Host is unreachable|没有到主机的路由|Errno 113\b/i, 'noRoute'],
  [/Network is unreachable|Network unreachable|网络不可达|Errno 101\b/i, 'netUnreachable'],
  [/timed out|timeout|time-out|连接超时|TIMEOUT|Errno 110\b/i, 'timedOut'],
  [/Operation not permitted|Permission denied|不允许的操作|权限不够|Errno 1\b|Errno 13\b/i, 'notPermitted'],
];

function outcomeOf(status: number, message: string, tookMs: number, limitMs: number | undefined): Probe['outcome'] {
  if (status === 0) return 'connected';
  // timeout(1) ends with 124, or with the signal that it sent (busybox: TERM, after -k: KILL).
  if (status === 124 || status === 137 || status === 143) return 'timedOut';
  const worded = wordings.find(([pattern]) => pattern.test(message));
  if (worded !== undefined) return worded[1];
  // `nc -w` says nothing when its time is over.
  return message === '' && limitMs !== undefined && tookMs >= limitMs * 0.9 ? 'timedOut' : 'other';
}
