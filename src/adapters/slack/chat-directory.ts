import type { ChatDirectory } from '../../engine/ports.ts';
import { isRecord } from './is-record.ts';
import type { CallOutcome, SlackCalls } from './slack-calls.ts';

export interface ChatDirectoryOptions {
  /** How long an answer of Slack is taken for the truth. Default 5 minutes. */
  readonly freshMs?: number | undefined;
  /** How long it is gone by while Slack does not answer. Default 1 hour. */
  readonly staleMs?: number | undefined;
  /** How long a question may take before the answer is `unknown`. Default 4 s. */
  readonly withinMs?: number | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** Between two attempts at something that Slack has just refused or not answered. */
const retryMs = 15_000;
/** Channels whose names are kept; access rules name a handful. */
const maxChannels = 500;

/**
 * User groups and channel names as Slack has them (usergroups.list, usergroups.users.list, conversations.info; Tier 2 and
 * 3, so each is asked once per `freshMs` whatever the number of questions). A group that Slack does not know has no
 * members; one that Slack does not tell about is `unknown`.
 */
export function createChatDirectory(calls: SlackCalls, options: ChatDirectoryOptions = {}): ChatDirectory {
  const freshMs = options.freshMs ?? 300_000;
  const staleMs = options.staleMs ?? 3_600_000;
  const withinMs = options.withinMs ?? 4000;
  const log = options.log ?? (() => {});

  interface Group {
    readonly id: string;
    readonly handle: string;
  }

  const groups = remembered(async () => {
    const outcome = await calls.call('usergroups.list', { include_disabled: false });
    // A workspace whose plan has no user groups has none.
    if (outcome.outcome === 'refused' && outcome.error === 'plan_upgrade_required') return [];
    const list = fieldOf(outcome, 'usergroups.list', 'usergroups');
    return list?.flatMap((one): Group[] =>
      isRecord(one) && typeof one['id'] === 'string' && typeof one['handle'] === 'string'
        ? [{ id: one['id'], handle: one['handle'] }]
        : [],
    );
  });
  const members = new Map<string, () => Promise<ReadonlySet<string> | undefined>>();
  const channels = new Map<string, () => Promise<string | undefined>>();

  function membersOf(id: string): Promise<ReadonlySet<string> | undefined> {
    const ask =
      members.get(id) ??
      remembered(async () => {
        const outcome = await calls.call('usergroups.users.list', { usergroup: id });
        if (outcome.outcome === 'refused' && outcome.error === 'no_such_subteam') return new Set<string>();
        const list = fieldOf(outcome, 'usergroups.users.list', 'users');
        return list === undefined ? undefined : new Set(list.filter((one) => typeof one === 'string'));
      });
    members.set(id, ask);
    return ask();
  }

  async function groupNamed(written: string): Promise<Group | 'none' | 'unknown'> {
    const known = await groups();
    if (known === undefined) return 'unknown';
    const name = written.replace(/^@/u, '');
    // An id is exact; a handle is not case-sensitive in Slack.
    return (
      known.find(({ id }) => id === name) ??
      known.find(({ handle }) => handle.toLowerCase() === name.toLowerCase()) ??
      'none'
    );
  }

  /** The list in Slack's answer, or undefined (and a line in the log) where there is none. */
  function fieldOf(outcome: CallOutcome, method: string, field: string): readonly unknown[] | undefined {
    if (outcome.outcome === 'ok') {
      const list = outcome.response[field];
      return Array.isArray(list) ? list : undefined;
    }
    log(`slack: ${method}: ${outcome.outcome === 'refused' ? outcome.error : outcome.outcome}`);
    return undefined;
  }

  /** Asks at most once at a time and once per `freshMs`; goes by an older answer where there is no new one. */
  function remembered<T>(ask: () => Promise<T | undefined>): () => Promise<T | undefined> {
    let last: { readonly value: T; readonly atMs: number } | undefined;
    let notBeforeMs = 0;
    let asking: Promise<void> | undefined;
    return async () => {
      const age = last === undefined ? Number.POSITIVE_INFINITY : Date.now() - last.atMs;
      if (age > freshMs && Date.now() >= notBeforeMs) {
        asking ??= ask()
          .then((value) => {
            if (value === undefined) notBeforeMs = Date.now() + retryMs;
            else last = { value, atMs: Date.now() };
          })
          .finally(() => {
            asking = undefined;
          });
        await within(asking, withinMs);
      }
      return last !== undefined && Date.now() - last.atMs <= staleMs ? last.value : undefined;
    };
  }

  return {
    async isIn(group, user) {
      const found = await groupNamed(group);
      if (typeof found === 'string') return found === 'none' ? 'no' : 'unknown';
      const people = await membersOf(found.id);
      return people === undefined ? 'unknown' : people.has(user) ? 'yes' : 'no';
    },
    async groupHandle(group) {
      const found = await groupNamed(group);
      return typeof found === 'string' ? undefined : found.handle;
    },
    async channelName(channel) {
      const ask =
        channels.get(channel) ??
        remembered(async () => {
          const outcome = await calls.call('conversations.info', { channel });
          const about = outcome.outcome === 'ok' ? outcome.response['channel'] : undefined;
          if (!isRecord(about)) return undefined;
          // A private channel's name is for its members.
          return about['is_private'] === true || typeof about['name'] !== 'string' ? '' : about['name'];
        });
      if (channels.size < maxChannels) channels.set(channel, ask);
      return (await ask()) || undefined;
    },
  };
}

/** Resolves when `work` has settled, or after `ms`. Never rejects. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    work.catch(() => undefined),
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
  ]);
  clearTimeout(timer);
}
