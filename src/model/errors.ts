import type { Language } from './language.ts';

/**
 * Every error that netcheck throws on purpose. The world misbehaving (a node that is down, a refused key,
 * a tool that is missing) is data in the evidence, never one of these.
 *
 * - `usage/…`, `ask/…`, `audit/…`: the person asked for something that cannot be done as written (exit 64)
 * - `config/…`, `playbook/…`, `replay/…`: a file that a person wrote or moved is not usable (exit 64)
 * - `change/…`: a change of a node was tried, and the question could not be asked again
 * - `queue/…`, `slack/…`: an outside service that netcheck itself depends on is not there (exit 70)
 * - `fault/…`: our own fault (exit 70)
 */
export type ErrorCode =
  | 'usage/unknown-command'
  | 'usage/unknown-option'
  | 'usage/missing-argument'
  | 'usage/unknown-kind'
  | 'ask/empty'
  | 'ask/too-long'
  | 'ask/no-port'
  | 'ask/bad-port'
  | 'ask/bad-name'
  | 'ask/bad-size'
  | 'ask/bad-duration'
  | 'ask/unknown-node'
  | 'ask/external-address'
  | 'ask/no-namespace'
  | 'ask/unknown-playbook'
  | 'ask/no-kubernetes'
  | 'ask/unknown-object'
  | 'ask/same-node'
  | 'ask/not-allowed'
  | 'audit/bad-selector'
  | 'audit/no-nodes'
  | 'audit/no-playbook'
  | 'config/not-found'
  | 'config/invalid'
  | 'config/missing-secret'
  | 'playbook/invalid'
  | 'playbook/unknown-id'
  | 'replay/not-found'
  | 'replay/unreadable'
  | 'replay/newer'
  | 'pcap/unreadable'
  | 'change/no-report'
  | 'queue/down'
  | 'queue/no-redis'
  | 'slack/refused'
  | 'slack/unreachable'
  | 'fault/internal';

/** The same two sentences in another language. */
export interface TwoSentences {
  readonly message: string;
  readonly hint: string;
}

/** What the person sees is `message` (what is wrong, where) and `hint` (what to do); `cause` is for the log. */
export class NetcheckError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  /** In Chinese: what people may be told because of what they asked. */
  readonly zh: TwoSentences | undefined;
  constructor(code: ErrorCode, message: string, hint: string, options?: { cause?: unknown; zh?: TwoSentences }) {
    super(message, options);
    this.name = 'NetcheckError';
    this.code = code;
    this.hint = hint;
    this.zh = options?.zh;
  }
}

/** What is wrong and what to do, in a person's language where there are words for it. */
export function sentencesOf({ message, hint, zh }: NetcheckError, language: Language): TwoSentences {
  return language === 'zh' && zh !== undefined ? zh : { message, hint };
}

/** The process exit status that belongs to an error (design section 2): 64 usage, 70 our own fault. */
export function exitStatusOf(error: unknown): 64 | 70 {
  if (!(error instanceof NetcheckError)) return 70;
  return /^(usage|ask|audit|config|playbook|replay|pcap)\//.test(error.code) ? 64 : 70;
}
