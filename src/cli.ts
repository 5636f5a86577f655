#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { helpText } from './help.ts';
import { NetcheckError, exitStatusOf, sentencesOf } from './model/errors.ts';
import { languages } from './model/language.ts';
import { version } from './version.ts';

const options = {
  config: { type: 'string' },
  json: { type: 'boolean' },
  lang: { type: 'string' },
  save: { type: 'string' },
  html: { type: 'string' },
  explain: { type: 'boolean' },
  nodes: { type: 'string' },
  workers: { type: 'boolean' },
  csv: { type: 'boolean' },
  packets: { type: 'boolean' },
  as: { type: 'string' },
  flow: { type: 'string' },
  svg: { type: 'string' },
  'no-worker': { type: 'boolean' },
  wrapper: { type: 'boolean' },
  node: { type: 'string' },
  user: { type: 'string' },
  since: { type: 'string' },
  run: { type: 'string' },
  limit: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

export type Options = ReturnType<typeof parse>['values'];

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (cause) {
    throw new NetcheckError(
      'usage/unknown-option',
      // Node's first sentence says what is wrong; the ones after it are about "--", which a question never needs.
      `${(cause instanceof Error ? cause.message : String(cause)).replace(/\. To specify .*$/s, '').replace(/\.$/, '')}.`,
      'netcheck --help lists the options.',
      { cause },
    );
  }
}

/** One command line -> exit status: 0 clear, 1 found, 2 inconclusive, 64 usage, 70 our own fault. */
export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const language = languages.find((one) => one === values.lang);
  if (values.lang !== undefined && language === undefined)
    throw new NetcheckError(
      'usage/unknown-option',
      `--lang is ${languages.join(' or ')}, not "${values.lang}".`,
      'For example: netcheck --lang zh node-50 port 1301',
    );
  if (values.version) {
    process.stdout.write(`netcheck ${version}\n`);
    return 0;
  }
  const [command, ...rest] = positionals;
  // Commands are loaded when they are asked for: `netcheck parse` need not pay for Slack and Redis.
  switch (command) {
    case 'parse':
      return (await import('./commands/parse.ts')).parse(rest, values);
    case undefined:
    case 'help':
      if (command === undefined && !values.help)
        throw new NetcheckError('ask/empty', 'There is no question.', helpText(language ?? 'en'));
      process.stdout.write(`${helpText(language ?? 'en')}\n`);
      return 0;
    case 'pcap':
      return (await import('./commands/pcap.ts')).pcap(rest, values);
    case 'replay':
      return (await import('./commands/replay.ts')).replay(rest, values);
    case 'playbooks':
      return (await import('./commands/playbooks.ts')).playbooks(rest, values);
    case 'rules':
      return (await import('./commands/rules.ts')).rules(rest, values);
    case 'sudoers':
      return (await import('./commands/sudoers.ts')).sudoers(rest, values);
    case 'gate':
      return (await import('./commands/gate.ts')).gate(rest, values);
    case 'change-helper':
      return (await import('./commands/change-helper.ts')).changeHelper(rest);
    case 'doctor':
      return (await import('./commands/doctor.ts')).doctor(rest, values);
    case 'log':
      return (await import('./commands/log.ts')).log(rest, values);
    case 'bot':
      return (await import('./bot.ts')).bot(values);
    case 'worker':
      return (await import('./worker.ts')).worker(values);
    case 'audit':
      return (await import('./commands/audit.ts')).audit(rest, values);
    default:
      if (values.help) {
        process.stdout.write(`${helpText(language ?? 'en')}\n`);
        return 0;
      }
      return (await import('./commands/ask.ts')).ask(positionals.join(' '), values);
  }
}

/** What went wrong, for a person: the sentence, then what to do. Stack traces are for our own faults only. */
function report(error: unknown): number {
  if (error instanceof NetcheckError) {
    // what the options are is not known where reading them failed
    const wantsChinese = /(?:^| )--lang[ =]zh(?: |$)/.test(process.argv.join(' '));
    const { message, hint } = sentencesOf(error, wantsChinese ? 'zh' : 'en');
    process.stderr.write(`netcheck: ${shown(message)}\n${hint === '' ? '' : `${shown(hint)}\n`}`);
  } else
    process.stderr.write(
      `netcheck: our own fault, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
  return exitStatusOf(error);
}

/** A message quotes what was typed and what files are called: nothing of it acts in a terminal, and ten kilobytes are cut. */
function shown(text: string): string {
  return text
    .replaceAll(/[^\P{Cc}\n]/gu, '\u{fffd}')
    .replaceAll(/\S{600,}/g, (word) => `${word.slice(0, 60)}… (${word.length} characters)`);
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `netcheck … | head` closes the pipe: no fault, nothing to say, and not "clear" either. As if by SIGPIPE (128 + 13).
  if (error.code === 'EPIPE') process.exit(141);
});
// Progress that nobody reads is no reason to lose the report.
process.stderr.on('error', () => undefined);
main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.exitCode = report(error);
  },
);
