import { pingsOf } from './pings-of.ts';
import { faultsInBlocks, faultsInHome, faultsInView, isObject, maxBlocksChars } from './validate-blocks.ts';

/** A message as it is now. */
export interface FakeMessage {
  readonly channel: string;
  readonly ts: string;
  readonly threadTs?: string;
  /** User id of the author. */
  readonly user: string;
  readonly text: string;
  readonly blocks: readonly unknown[];
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Of other apps; ours has none. */
  readonly attachments?: readonly unknown[];
  readonly postedAtMs: number;
  readonly edits: number;
  readonly editedAtMs?: number;
  /** Whom it alerts, see {@link pingsOf}. */
  readonly pings: readonly string[];
}

/** Something that a person in Slack saw happen. */
export interface FakeChange {
  readonly atMs: number;
  readonly what: 'posted' | 'edited' | 'deleted' | 'ephemeral' | 'responded' | 'home';
  readonly message: FakeMessage;
  /** For `ephemeral`, `responded` and `home`: the only one who sees it. */
  readonly onlyFor?: string;
}

/** A modal as it is now, in front of one person. */
export interface FakeView {
  readonly id: string;
  readonly hash: string;
  readonly user: string;
  readonly callbackId: string;
  readonly privateMetadata: string;
  readonly title: string;
  readonly blocks: readonly unknown[];
  readonly canSubmit: boolean;
}

export interface FakeChannel {
  readonly id: string;
  readonly name: string;
  isPrivate: boolean;
  isArchived: boolean;
  /** Whether our bot is in it. */
  hasBot: boolean;
}

/** What a scripted call does instead of the usual. */
export type Trouble =
  | { readonly kind: 'rateLimit'; readonly retryAfterS: number }
  | { readonly kind: 'http'; readonly status: number; readonly afterAccepting?: boolean }
  | { readonly kind: 'error'; readonly error: string; readonly needed?: string }
  /** No answer at all; with `afterAccepting` the call has its effect all the same. */
  | { readonly kind: 'silence'; readonly afterAccepting: boolean }
  | { readonly kind: 'reset'; readonly afterAccepting: boolean };

export interface WorldOptions {
  readonly botToken?: string;
  readonly appToken?: string;
  readonly scopes?: readonly string[];
  readonly channels?: readonly {
    readonly id: string;
    readonly name: string;
    readonly isPrivate?: boolean;
    readonly hasBot?: boolean;
  }[];
  readonly users?: Readonly<Record<string, string>>;
  /** `off`: Slack never answers 429 by itself. */
  readonly rates?: 'enforced' | 'off';
}

/** What the API answers: a JSON body, or nothing, or a cut. */
export type ApiAnswer =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: unknown }
  | 'silence'
  | 'reset';

/** One call as it arrived. */
export interface ApiCall {
  readonly method: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly atMs: number;
  readonly answered: string;
}

type NewMessage = Pick<FakeMessage, 'channel' | 'user' | 'text' | 'blocks'> &
  Partial<Pick<FakeMessage, 'threadTs' | 'metadata' | 'files' | 'attachments'>>;
type Bucket = { tokens: number; atMs: number };

class Refusal extends Error {
  readonly extra: Readonly<Record<string, unknown>>;
  constructor(error: string, extra: Readonly<Record<string, unknown>> = {}) {
    super(error);
    this.extra = extra;
  }
}

/**
 * A workspace with its rules and without a network: what `startFakeSlack` serves over HTTP and WebSocket, and what
 * offline tests call directly. Time is `Date.now()`, so fake timers work.
 */
export class SlackWorld {
  readonly botToken: string;
  readonly appToken: string;
  readonly botUserId = 'U0NETCHECK';
  readonly botId = 'B0NETCHECK';
  readonly teamId = 'T0PRACTICE';
  readonly users: Map<string, string>;
  /** User id -> what the person has set in Slack; `en-US` for everybody else. */
  readonly locales = new Map<string, string>();
  /** User id -> the blocks of App Home. */
  readonly homes = new Map<string, readonly unknown[]>();
  readonly channels = new Map<string, FakeChannel>();
  /** User groups: id, handle (without the @), members. */
  readonly userGroups: { readonly id: string; readonly handle: string; users: string[] }[] = [];
  readonly calls: ApiCall[] = [];
  readonly changes: FakeChange[] = [];
  scopes: string[];
  rates: 'enforced' | 'off';
  /** Makes every call with the bot or app token fail with this error, as after a revocation. */
  deadToken: { bot?: string; app?: string } = {};
  /** Modals that were opened and not closed, as they are now. */
  readonly views = new Map<string, FakeView>();
  /** Trigger ids that were handed out: whose they are, until when, and that each opens one modal. */
  readonly triggers = new Map<string, { readonly user: string; readonly untilMs: number }>();
  onView: (view: FakeView) => void = () => {};
  #messages = new Map<string, FakeMessage>();
  #listeners = new Set<(change: FakeChange) => void>();
  #buckets = new Map<string, Bucket>();
  #script: { method: string; channel: string | undefined; left: number; trouble: Trouble }[] = [];
  #files = new Map<string, { name: string; bytes: number; uploaded: boolean }>();
  #lastTs = { second: 0, micro: 0 };
  #serial = 0;
  /** Where apps.connections.open and file uploads point to. */
  origin = { http: 'http://slack.invalid', ws: 'ws://slack.invalid' };
  onConnectionsOpen: () => string = () => `${this.origin.ws}/link/?ticket=${this.id('ticket')}`;

  constructor(options: WorldOptions = {}) {
    this.botToken = options.botToken ?? 'xoxb-practice';
    this.appToken = options.appToken ?? 'xapp-practice';
    this.rates = options.rates ?? 'enforced';
    this.scopes = [
      ...(options.scopes ?? [
        'commands',
        'chat:write',
        'chat:write.public',
        'app_mentions:read',
        'channels:history',
        'groups:history',
        'channels:read',
        'groups:read',
        'files:write',
        'users:read',
        'usergroups:read',
      ]),
    ];
    this.users = new Map(Object.entries(options.users ?? { U0ANNA: 'anna', U0BEN: 'ben' }));
    this.users.set(this.botUserId, 'netcheck');
    const channels = options.channels ?? [{ id: 'C0INCIDENT', name: 'incident' }];
    for (const { id, name, isPrivate, hasBot } of channels) {
      this.channels.set(id, { id, name, isPrivate: isPrivate ?? false, isArchived: false, hasBot: hasBot ?? true });
    }
  }

  /** A fresh id that reads like its purpose. */
  id(prefix: string): string {
    this.#serial += 1;
    return `${prefix}-${this.#serial.toString().padStart(4, '0')}`;
  }

  onChange(listener: (change: FakeChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The next `times` calls of `method` (any with `*`), in `channel` if given, meet this trouble. */
  script(method: string, trouble: Trouble, options: { times?: number; channel?: string } = {}): void {
    this.#script.push({ method, channel: options.channel, left: options.times ?? 1, trouble });
  }

  /** Forgets all scripted trouble. */
  mend(): void {
    this.#script = [];
  }

  message(channel: string, ts: string): FakeMessage | undefined {
    return this.#messages.get(`${channel}:${ts}`);
  }

  /** Messages as they are now, oldest first. */
  messages(channel?: string): FakeMessage[] {
    return [...this.#messages.values()]
      .filter((message) => channel === undefined || message.channel === channel)
      .sort((a, b) => Number(a.ts) - Number(b.ts));
  }

  /** The root and its replies as a person sees them now. */
  thread(rootTs: string): FakeMessage[] {
    return this.messages().filter((message) => message.ts === rootTs || message.threadTs === rootTs);
  }

  /** A person writes something. */
  say(
    user: string,
    channel: string,
    text: string,
    threadTs?: string,
    more: Pick<Partial<FakeMessage>, 'blocks' | 'attachments'> = {},
  ): FakeMessage {
    return this.#put({ channel, user, text, blocks: [], ...more, ...(threadTs === undefined ? {} : { threadTs }) });
  }

  /** A person deletes a message. */
  remove(channel: string, ts: string): void {
    const message = this.message(channel, ts);
    if (message === undefined) return;
    this.#messages.delete(`${channel}:${ts}`);
    this.changed({ atMs: Date.now(), what: 'deleted', message });
  }

  changed(change: FakeChange): void {
    this.changes.push(change);
    for (const listener of this.#listeners) listener(change);
  }

  /** What a `response_url` shows. */
  respond(user: string, channel: string, body: Readonly<Record<string, unknown>>): void {
    const text = typeof body['text'] === 'string' ? body['text'] : '';
    const blocks = Array.isArray(body['blocks']) ? body['blocks'] : [];
    if (body['response_type'] === 'in_channel') {
      this.#put({ channel, user: this.botUserId, text, blocks });
      return;
    }
    const message = this.#message({ channel, user: this.botUserId, text, blocks });
    this.changed({ atMs: Date.now(), what: 'responded', message, onlyFor: user });
  }

  /** One call of the Web API. `args` as sent: JSON values or their strings. */
  handle(method: string, token: string, args: Readonly<Record<string, unknown>>): ApiAnswer {
    const decoded = Object.fromEntries(Object.entries(args).map(([key, value]) => [key, decode(key, value)]));
    const answer = this.#answer(method, token, decoded);
    const answered =
      typeof answer === 'string'
        ? answer
        : answer.status !== 200
          ? String(answer.status)
          : isObject(answer.body) && answer.body['ok'] === true
            ? 'ok'
            : String(isObject(answer.body) ? answer.body['error'] : '');
    this.calls.push({ method, args: decoded, atMs: Date.now(), answered });
    return answer;
  }

  #answer(method: string, token: string, args: Readonly<Record<string, unknown>>): ApiAnswer {
    const scripted = this.#script.find(
      (entry) =>
        entry.left > 0 &&
        (entry.method === '*' || entry.method === method) &&
        (entry.channel === undefined || entry.channel === args['channel']),
    );
    if (scripted !== undefined) {
      scripted.left -= 1;
      const { trouble } = scripted;
      const accept = () => void this.#perform(method, token, args, false);
      switch (trouble.kind) {
        case 'rateLimit':
          return tooMany(trouble.retryAfterS);
        case 'http':
          if (trouble.afterAccepting === true) accept();
          return { status: trouble.status, headers: { 'content-type': 'text/html' }, body: '<html>trouble</html>' };
        case 'error':
          return this.#json({
            ok: false,
            error: trouble.error,
            ...(trouble.needed === undefined ? {} : { needed: trouble.needed, provided: this.scopes.join(',') }),
          });
        case 'silence':
        case 'reset':
          if (trouble.afterAccepting) accept();
          return trouble.kind;
      }
    }
    return this.#perform(method, token, args, this.rates === 'enforced');
  }

  #json(body: Readonly<Record<string, unknown>>): ApiAnswer {
    return {
      status: 200,
      headers: { 'content-type': 'application/json; charset=utf-8', 'x-oauth-scopes': this.scopes.join(',') },
      body,
    };
  }

  #perform(method: string, token: string, args: Readonly<Record<string, unknown>>, limited: boolean): ApiAnswer {
    try {
      this.#authorise(method, token);
      if (limited) {
        const waitS = this.#overRate(method, args);
        if (waitS > 0) return tooMany(waitS);
      }
      return this.#json({ ok: true, ...this.#call(method, args) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return this.#json({ ok: false, error: error.message, ...error.extra });
    }
  }

  #authorise(method: string, token: string): void {
    const isApp = method === 'apps.connections.open';
    const dead = isApp ? this.deadToken.app : this.deadToken.bot;
    if (dead !== undefined) throw new Refusal(dead);
    if (token === '') throw new Refusal('not_authed');
    if (isApp && token === this.botToken) throw new Refusal('not_allowed_token_type');
    if (token !== (isApp ? this.appToken : this.botToken)) throw new Refusal('invalid_auth');
  }

  #need(...anyOf: string[]): void {
    if (anyOf.some((scope) => this.scopes.includes(scope))) return;
    throw new Refusal('missing_scope', { needed: anyOf[0], provided: this.scopes.join(',') });
  }

  /** Seconds to wait, 0 where the call is within Slack's rates (docs.slack.dev/apis/web-api/rate-limits). */
  #overRate(method: string, args: Readonly<Record<string, unknown>>): number {
    const rate =
      method === 'chat.postMessage'
        ? { key: `post:${String(args['channel'])}`, burst: 3, perSecond: 1 }
        : method === 'chat.update' || method === 'chat.delete'
          ? { key: method, burst: 20, perSecond: 50 / 60 }
          : method === 'chat.postEphemeral'
            ? { key: method, burst: 40, perSecond: 100 / 60 }
            : method.startsWith('conversations.')
              ? { key: method, burst: 20, perSecond: 50 / 60 }
              : undefined;
    if (rate === undefined) return 0;
    const nowMs = Date.now();
    const bucket = this.#buckets.get(rate.key) ?? { tokens: rate.burst, atMs: nowMs };
    bucket.tokens = Math.min(rate.burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * rate.perSecond);
    bucket.atMs = nowMs;
    this.#buckets.set(rate.key, bucket);
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / rate.perSecond));
    bucket.tokens -= 1;
    return 0;
  }

  #call(method: string, args: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    switch (method) {
      case 'auth.test':
        return {
          url: 'https://practice.slack.com/',
          team: 'practice',
          user: 'netcheck',
          team_id: this.teamId,
          user_id: this.botUserId,
          bot_id: this.botId,
          is_enterprise_install: false,
        };
      case 'apps.connections.open':
        return { url: this.onConnectionsOpen() };
      case 'chat.postMessage': {
        this.#need('chat:write');
        const channel = this.#channelToWrite(args);
        const content = this.#content(args);
        const threadTs = textOf(args['thread_ts']);
        if (threadTs !== undefined && this.message(channel, threadTs) === undefined)
          throw new Refusal('thread_not_found');
        const metadata = this.#metadata(args['metadata']);
        const message = this.#put({
          channel,
          user: this.botUserId,
          text: content.text.slice(0, 40_000),
          blocks: content.blocks ?? [],
          ...(threadTs === undefined ? {} : { threadTs: this.message(channel, threadTs)?.threadTs ?? threadTs }),
          ...(metadata === undefined ? {} : { metadata }),
        });
        return { channel, ts: message.ts, message: this.#wire(message, true) };
      }
      case 'chat.update': {
        this.#need('chat:write');
        const channel = this.#channelToRead(args);
        const ts = textOf(args['ts']) ?? '';
        const old = this.message(channel, ts);
        if (old === undefined) throw new Refusal('message_not_found');
        if (old.user !== this.botUserId) throw new Refusal('cant_update_message');
        const content = this.#content(args);
        if (content.text.length > 4000) throw new Refusal('msg_too_long');
        const metadata = this.#metadata(args['metadata']);
        const blocks = content.blocks ?? old.blocks;
        const message: FakeMessage = {
          ...old,
          text: content.text,
          blocks,
          ...(metadata === undefined ? {} : { metadata }),
          edits: old.edits + 1,
          editedAtMs: Date.now(),
          // Editing alerts nobody.
          pings: old.pings,
        };
        this.#messages.set(`${channel}:${ts}`, message);
        this.changed({ atMs: Date.now(), what: 'edited', message });
        return { channel, ts, text: message.text };
      }
      case 'chat.delete': {
        this.#need('chat:write');
        const channel = this.#channelToRead(args);
        const message = this.message(channel, textOf(args['ts']) ?? '');
        if (message === undefined) throw new Refusal('message_not_found');
        if (message.user !== this.botUserId) throw new Refusal('cant_delete_message');
        this.remove(channel, message.ts);
        return { channel, ts: message.ts };
      }
      case 'chat.postEphemeral': {
        this.#need('chat:write');
        const channel = this.#channelToWrite(args);
        const user = textOf(args['user']) ?? '';
        if (!this.users.has(user)) throw new Refusal('user_not_in_channel');
        const content = this.#content(args);
        const threadTs = textOf(args['thread_ts']);
        const message = this.#message({
          channel,
          user: this.botUserId,
          text: content.text,
          blocks: content.blocks ?? [],
          ...(threadTs === undefined ? {} : { threadTs }),
        });
        this.changed({ atMs: Date.now(), what: 'ephemeral', message, onlyFor: user });
        return { message_ts: message.ts };
      }
      case 'conversations.info': {
        const channel = this.channels.get(textOf(args['channel']) ?? '');
        if (channel === undefined || (channel.isPrivate && !channel.hasBot)) throw new Refusal('channel_not_found');
        this.#need(channel.isPrivate ? 'groups:read' : 'channels:read');
        const { id, name, isPrivate, isArchived, hasBot } = channel;
        return { channel: { id, name, is_private: isPrivate, is_archived: isArchived, is_member: hasBot } };
      }
      case 'usergroups.list':
        this.#need('usergroups:read');
        return { usergroups: this.userGroups.map(({ id, handle }) => ({ id, handle, name: handle, date_delete: 0 })) };
      case 'usergroups.users.list': {
        this.#need('usergroups:read');
        const group = this.userGroups.find(({ id }) => id === textOf(args['usergroup']));
        if (group === undefined) throw new Refusal('no_such_subteam');
        return { users: group.users };
      }
      case 'conversations.replies':
      case 'conversations.history': {
        const channel = this.#channelToRead(args);
        const isPrivate = this.channels.get(channel)?.isPrivate === true;
        this.#need(isPrivate ? 'groups:history' : 'channels:history');
        if (this.channels.get(channel)?.hasBot === false) throw new Refusal('not_in_channel');
        const oldest = Number(textOf(args['oldest']) ?? 0);
        const ts = textOf(args['ts']) ?? '';
        if (method === 'conversations.replies' && this.message(channel, ts) === undefined) {
          throw new Refusal('thread_not_found');
        }
        const all =
          method === 'conversations.replies'
            ? this.thread(ts).filter((message) => message.ts === ts || Number(message.ts) >= oldest)
            : this.messages(channel)
                .filter((message) => message.threadTs === undefined && Number(message.ts) >= oldest)
                .reverse();
        const limit = Math.min(Number(args['limit'] ?? 100), 999);
        const start = Number(textOf(args['cursor']) ?? 0);
        const page = all.slice(start, start + limit);
        const more = start + limit < all.length;
        return {
          messages: page.map((message) => this.#wire(message, args['include_all_metadata'] === true)),
          has_more: more,
          response_metadata: { next_cursor: more ? String(start + limit) : '' },
        };
      }
      case 'users.info': {
        this.#need('users:read');
        const id = textOf(args['user']) ?? '';
        const name = this.users.get(id);
        if (name === undefined) throw new Refusal('user_not_found');
        const locale = args['include_locale'] === true ? { locale: this.locales.get(id) ?? 'en-US' } : {};
        return { user: { id, name, ...locale } };
      }
      case 'views.open': {
        const trigger = this.triggers.get(textOf(args['trigger_id']) ?? '');
        if (trigger === undefined) throw new Refusal('invalid_trigger_id');
        if (trigger.untilMs < Date.now()) throw new Refusal('expired_trigger_id');
        const view = this.#view(this.id('V'), trigger.user, args['view']);
        this.triggers.delete(textOf(args['trigger_id']) ?? '');
        return { view: { id: view.id, hash: view.hash } };
      }
      case 'views.publish': {
        const user = textOf(args['user_id']) ?? '';
        if (!this.users.has(user)) throw new Refusal('user_not_found');
        const faults = faultsInHome(args['view']);
        if (faults.length > 0 || !isObject(args['view']))
          throw new Refusal('invalid_arguments', { response_metadata: { messages: faults } });
        const blocks = Array.isArray(args['view']['blocks']) ? args['view']['blocks'] : [];
        this.homes.set(user, blocks);
        this.changed({
          atMs: Date.now(),
          what: 'home',
          message: this.#message({ channel: '', user: this.botUserId, text: '', blocks }),
          onlyFor: user,
        });
        return { view: { id: this.id('V') } };
      }
      case 'views.update': {
        const known = this.views.get(textOf(args['view_id']) ?? '');
        if (known === undefined) throw new Refusal('not_found');
        if (args['hash'] !== undefined && args['hash'] !== known.hash) throw new Refusal('hash_conflict');
        const view = this.#view(known.id, known.user, args['view']);
        return { view: { id: view.id, hash: view.hash } };
      }
      case 'files.getUploadURLExternal': {
        this.#need('files:write');
        const name = textOf(args['filename']) ?? '';
        const bytes = Number(args['length']);
        if (name === '' || !(bytes > 0)) throw new Refusal('invalid_arguments');
        const id = this.id('F');
        this.#files.set(id, { name, bytes, uploaded: false });
        return { file_id: id, upload_url: `${this.origin.http}/upload/${id}` };
      }
      case 'files.completeUploadExternal': {
        this.#need('files:write');
        const listed = Array.isArray(args['files']) ? args['files'] : [];
        const files = listed.map((entry: unknown) => {
          const file = isObject(entry) ? this.#files.get(String(entry['id'])) : undefined;
          if (file === undefined || !file.uploaded) throw new Refusal('file_not_found');
          return { name: file.name, bytes: file.bytes };
        });
        const channel = textOf(args['channel_id']);
        if (channel !== undefined) {
          const threadTs = textOf(args['thread_ts']);
          this.#channelToWrite({ channel });
          this.#put({
            channel,
            user: this.botUserId,
            text: textOf(args['initial_comment']) ?? '',
            blocks: [],
            files,
            ...(threadTs === undefined ? {} : { threadTs }),
          });
        }
        return { files: listed };
      }
      default:
        throw new Refusal('unknown_method');
    }
  }

  /** The bytes of an upload arrived. */
  uploaded(fileId: string, bytes: number): boolean {
    const file = this.#files.get(fileId);
    if (file === undefined) return false;
    this.#files.set(fileId, { ...file, bytes, uploaded: true });
    return true;
  }

  #channelToRead(args: Readonly<Record<string, unknown>>): string {
    const id = textOf(args['channel']) ?? '';
    const channel = this.channels.get(id);
    if (channel === undefined || (channel.isPrivate && !channel.hasBot)) throw new Refusal('channel_not_found');
    return id;
  }

  #channelToWrite(args: Readonly<Record<string, unknown>>): string {
    const id = textOf(args['channel']) ?? '';
    if (this.users.has(id)) {
      const direct = `D${id.slice(1)}`;
      if (!this.channels.has(direct)) {
        const name = `@${this.users.get(id) ?? id}`;
        this.channels.set(direct, { id: direct, name, isPrivate: true, isArchived: false, hasBot: true });
      }
      return direct;
    }
    const channel = this.channels.get(this.#channelToRead(args));
    if (channel?.isArchived === true) throw new Refusal('is_archived');
    if (channel?.hasBot === false && !this.scopes.includes('chat:write.public')) throw new Refusal('not_in_channel');
    return id;
  }

  #content(args: Readonly<Record<string, unknown>>): { text: string; blocks: readonly unknown[] | undefined } {
    const text = textOf(args['text']) ?? '';
    const { blocks } = args;
    if (blocks === undefined) {
      if (text === '') throw new Refusal('no_text');
      return { text, blocks: undefined };
    }
    const faults = faultsInBlocks(blocks);
    if (!Array.isArray(blocks) || faults.length > 0) {
      throw new Refusal('invalid_blocks', { errors: faults, response_metadata: { messages: faults } });
    }
    if (JSON.stringify(blocks).length > maxBlocksChars) throw new Refusal('msg_blocks_too_long');
    if (text === '' && blocks.length === 0) throw new Refusal('no_text');
    return { text, blocks };
  }

  #metadata(value: unknown): Readonly<Record<string, unknown>> | undefined {
    if (value === undefined) return undefined;
    if (!isObject(value) || typeof value['event_type'] !== 'string' || !isObject(value['event_payload'])) {
      throw new Refusal('invalid_metadata_format');
    }
    if (!/^[A-Za-z0-9_]{1,255}$/u.test(value['event_type'])) throw new Refusal('invalid_metadata_format');
    if (JSON.stringify(value['event_payload']).length > 8000) throw new Refusal('metadata_too_large');
    return value;
  }

  #message(content: NewMessage): FakeMessage {
    return {
      ...content,
      files: content.files ?? [],
      ts: this.#nextTs(),
      postedAtMs: Date.now(),
      edits: 0,
      pings: pingsOf(content.text, content.blocks),
    };
  }

  #put(content: NewMessage): FakeMessage {
    const message = this.#message(content);
    this.#messages.set(`${message.channel}:${message.ts}`, message);
    this.changed({ atMs: message.postedAtMs, what: 'posted', message });
    return message;
  }

  #nextTs(): string {
    const second = Math.max(Math.floor(Date.now() / 1000), this.#lastTs.second);
    const micro = second === this.#lastTs.second ? this.#lastTs.micro + 1 : 1;
    this.#lastTs = { second, micro };
    return `${second}.${micro.toString().padStart(6, '0')}`;
  }

  /** A trigger id as it comes with a command, a click or a shortcut: good for one modal within three seconds. */
  trigger(user: string): string {
    const id = `${Date.now()}.${this.id('trigger')}`;
    this.triggers.set(id, { user, untilMs: Date.now() + 3000 });
    return id;
  }

  #view(id: string, user: string, given: unknown): FakeView {
    const faults = faultsInView(given);
    if (faults.length > 0 || !isObject(given))
      throw new Refusal('invalid_arguments', { response_metadata: { messages: faults } });
    const { title, blocks } = given;
    const view: FakeView = {
      id,
      hash: `${Date.now()}.${this.id('hash')}`,
      user,
      callbackId: textOf(given['callback_id']) ?? '',
      privateMetadata: textOf(given['private_metadata']) ?? '',
      title: isObject(title) ? (textOf(title['text']) ?? '') : '',
      blocks: Array.isArray(blocks) ? blocks : [],
      canSubmit: given['submit'] !== undefined,
    };
    this.views.set(id, view);
    this.onView(view);
    return view;
  }

  /** A message as the API gives it. */
  #wire(message: FakeMessage, withMetadata: boolean): Readonly<Record<string, unknown>> {
    return {
      type: 'message',
      user: message.user,
      ...(message.user === this.botUserId ? { bot_id: this.botId, app_id: 'A0NETCHECK' } : {}),
      text: message.text,
      ts: message.ts,
      ...(message.threadTs === undefined ? {} : { thread_ts: message.threadTs }),
      ...(message.blocks.length === 0 ? {} : { blocks: message.blocks }),
      ...(message.attachments === undefined ? {} : { attachments: message.attachments }),
      ...(withMetadata && message.metadata !== undefined ? { metadata: message.metadata } : {}),
      ...(message.edits === 0 ? {} : { edited: { user: message.user, ts: message.ts } }),
    };
  }

  wire(message: FakeMessage): Readonly<Record<string, unknown>> {
    return this.#wire(message, false);
  }
}

function tooMany(retryAfterS: number): ApiAnswer {
  return {
    status: 429,
    headers: { 'content-type': 'application/json', 'retry-after': String(retryAfterS) },
    body: { ok: false, error: 'ratelimited' },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const jsonKeys = new Set(['blocks', 'metadata', 'files', 'view', 'attachments']);

/** WebClient sends everything as form fields: JSON in strings, booleans as words. */
function decode(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (value === 'true' || value === 'false') return key === 'text' ? value : value === 'true';
  if (!jsonKeys.has(key)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
