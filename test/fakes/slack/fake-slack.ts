import { createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { elementsOf, optionsOf, wireView } from './modals.ts';
import {
  type FakeChange,
  type FakeMessage,
  type FakeView,
  SlackWorld,
  type Trouble,
  type WorldOptions,
} from './slack-world.ts';
import { isObject } from './validate-blocks.ts';

export type { FakeChange, FakeMessage, Trouble } from './slack-world.ts';

export interface FakeSlackOptions extends WorldOptions {
  readonly port?: number;
  /** How often Slack pings over the WebSocket. Default 2000. */
  readonly pingEveryMs?: number;
  /** How long Slack waits for an acknowledgement. Default 3000. */
  readonly ackWithinMs?: number;
  /** How long a silent answer stays silent before the connection is cut. Default 60 000. */
  readonly silenceMs?: number;
  /** Deliver by signed HTTP requests to this address instead of Socket Mode. */
  readonly http?: { readonly requestUrl: string; readonly signingSecret: string };
}

/** What Slack sent to the app, and what became of it. */
export interface Delivery {
  readonly envelopeId: string;
  readonly kind: 'slash_commands' | 'events_api' | 'interactive';
  readonly payload: Readonly<Record<string, unknown>>;
  /**
   * How it ended for the person: `acked`, or what Slack shows: no app was connected (`dispatch_failed`), the app did
   * not answer in time (`operation_timeout`).
   */
  readonly ended: Promise<'acked' | 'dispatch_failed' | 'operation_timeout'>;
  /** What the acknowledgement itself said: errors of a form, options of a search. Undefined: nothing, or none came. */
  readonly answer: Promise<unknown>;
}

export interface Who {
  readonly user?: string;
  readonly channel?: string;
}

/** A practice Slack on loopback: Web API over HTTP, Socket Mode over WebSocket, Slack's limits enforced. */
export interface FakeSlack {
  /** `SLACK_API_URL`; ends in `/api/`. */
  readonly url: string;
  readonly botToken: string;
  readonly appToken: string;
  readonly world: SlackWorld;
  /** A person types `/netcheck TEXT`. Text as the person typed it; Slack's escaping is done here. */
  slash(text: string, who?: Who & { readonly command?: string }): Delivery;
  /** A person writes `@netcheck TEXT`, as a new message or in a thread. */
  mention(text: string, where?: Who & { readonly threadTs?: string }): Delivery & { readonly message: FakeMessage };
  /** A person presses the button. Throws where the message, as it is now, has no such button. */
  click(actionId: string, message: FakeMessage, who?: { readonly user?: string }): Delivery;
  /** A person picks an option of a select in a modal. Throws where the modal, as it is now, has no such option. */
  pick(actionId: string, view: FakeView, optionValue: string): Delivery;
  /** A person uses the shortcut on a message. */
  shortcut(callbackId: string, message: FakeMessage, who?: { readonly user?: string }): Delivery;
  /** A person types into a field of a modal that searches; its options are the delivery's `answer`. */
  suggest(actionId: string, view: FakeView, typed: string): Delivery;
  /** A person opens App Home. */
  openHome(user?: string): Delivery;
  /** A person presses a button of what only this person sees: a private answer, or App Home. */
  clickPrivate(actionId: string, change: FakeChange): Delivery;
  /** A person sends a modal in. `values`: `block_id` -> what stands in it, or the value of the option. */
  submit(view: FakeView, values: Readonly<Record<string, string>>): Delivery;
  /** The first modal as it is now, or later, that the predicate holds for. */
  awaitView(predicate: (view: FakeView) => boolean, withinMs?: number): Promise<FakeView>;
  /** Slack sends the same thing again (a retry after a lost acknowledgement). */
  redeliver(delivery: Delivery): Delivery;
  /** Deliver over HTTP from now on, with Slack's signature. */
  deliverOverHttp(requestUrl: string, signingSecret: string): void;
  /** The first message, now or later, that the predicate holds for. Rejects after `withinMs` (default 10 s). */
  awaitMessage(predicate: (message: FakeMessage) => boolean, withinMs?: number): Promise<FakeMessage>;
  /** The first change, past or future, that the predicate holds for. */
  awaitChange(predicate: (change: FakeChange) => boolean, withinMs?: number): Promise<FakeChange>;
  /** The root and its replies as a person sees them now. */
  thread(rootTs: string): FakeMessage[];
  /** Every post, edit, deletion and private message with its time. */
  history(): readonly FakeChange[];
  /** Live: called on everything that a person could see. Returns how to stop it. */
  onChange(listener: (change: FakeChange) => void): () => void;
  /** Scripted trouble for the next calls of a method. */
  fail(method: string, trouble: Trouble, options?: { readonly times?: number; readonly channel?: string }): void;
  /** Sockets that are greeted and open. */
  connections(): number;
  /** Resolves when at least `count` sockets are open. */
  awaitConnections(count: number, withinMs?: number): Promise<void>;
  /** Resolves when sockets have been greeted `count` times since the start. */
  awaitGreetings(count: number, withinMs?: number): Promise<void>;
  /** Slack asks every app to connect anew, as it does every few hours. */
  refresh(reason?: 'refresh_requested' | 'warning'): void;
  /** The network cuts every socket without a goodbye. */
  cutConnections(): void;
  close(): Promise<void>;
}

/** Starts the practice Slack on 127.0.0.1. */
export async function startFakeSlack(options: FakeSlackOptions = {}): Promise<FakeSlack> {
  const world = new SlackWorld(options);
  const ackWithinMs = options.ackWithinMs ?? 3000;
  let http = options.http;
  const silent = new Set<ServerResponse>();
  const tcp = new Set<Socket>();
  const tickets = new Set<string>();
  const sockets: WebSocket[] = [];
  /** Told to go: nothing is delivered there any more. */
  const retired = new WeakSet<WebSocket>();
  let greetings = 0;
  const waitingAcks = new Map<string, (response: unknown) => void>();
  const responseUrls = new Map<string, { user: string; channel: string; uses: number; untilMs: number }>();
  const watchers = new Set<() => void>();
  let nextSocket = 0;
  const notify = () => {
    for (const watcher of watchers) watcher();
  };
  world.onChange(notify);
  world.onView = notify;

  const server = createServer((request, response) => {
    void serve(request, response);
  });
  server.on('connection', (socket) => {
    tcp.add(socket);
    socket.on('close', () => tcp.delete(socket));
  });
  const sockServer = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const ticket = new URL(request.url ?? '/', 'http://x').searchParams.get('ticket') ?? '';
    // A WebSocket address works once.
    if (!tickets.delete(ticket)) {
      socket.end('HTTP/1.1 408 Request Timeout\r\n\r\n');
      return;
    }
    sockServer.handleUpgrade(request, socket, head, (ws) => greet(ws));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  world.origin = { http: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}` };
  world.onConnectionsOpen = () => {
    const ticket = randomUUID();
    tickets.add(ticket);
    return `${world.origin.ws}/link/?ticket=${ticket}&app_id=A0NETCHECK`;
  };

  const open = () => sockets.filter((ws) => ws.readyState === ws.OPEN && !retired.has(ws));

  function greet(ws: WebSocket): void {
    if (sockets.length >= 10) {
      ws.send(JSON.stringify({ type: 'disconnect', reason: 'too_many_websockets' }));
      ws.close();
      return;
    }
    sockets.push(ws);
    greetings += 1;
    const ping = setInterval(() => ws.ping('ping from slack'), options.pingEveryMs ?? 2000);
    ws.on('close', () => {
      clearInterval(ping);
      const at = sockets.indexOf(ws);
      if (at >= 0) sockets.splice(at, 1);
      notify();
    });
    ws.on('error', () => {});
    ws.on('message', (data) => {
      const message: unknown = JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : '{}');
      if (!isObject(message) || typeof message['envelope_id'] !== 'string') return;
      waitingAcks.get(message['envelope_id'])?.(message['payload']);
    });
    ws.send(
      JSON.stringify({
        type: 'hello',
        num_connections: sockets.length,
        connection_info: { app_id: 'A0NETCHECK' },
        debug_info: { host: 'applink-practice', approximate_connection_time: 18060 },
      }),
    );
    notify();
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bytesOf(request);
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    if (path.startsWith('/upload/')) {
      const known = world.uploaded(path.slice('/upload/'.length), body.length);
      response.writeHead(known ? 200 : 404).end('OK');
      return;
    }
    if (path.startsWith('/response/')) {
      const entry = responseUrls.get(path.slice('/response/'.length));
      if (entry === undefined || entry.uses >= 5 || Date.now() > entry.untilMs) {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('used_url');
        return;
      }
      entry.uses += 1;
      const parsed: unknown = JSON.parse(body.toString('utf8'));
      world.respond(entry.user, entry.channel, isObject(parsed) ? parsed : {});
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
      return;
    }
    if (!path.startsWith('/api/')) {
      response.writeHead(404).end();
      return;
    }
    const args = argsOf(request, body);
    const token =
      /^Bearer (.+)$/u.exec(request.headers.authorization ?? '')?.[1] ??
      (typeof args['token'] === 'string' ? args['token'] : '');
    const answer = world.handle(path.slice('/api/'.length), token, args);
    if (answer === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    if (answer === 'silence') {
      silent.add(response);
      const timer = setTimeout(() => request.socket.destroy(), options.silenceMs ?? 60_000);
      response.on('close', () => {
        clearTimeout(timer);
        silent.delete(response);
      });
      return;
    }
    response.writeHead(answer.status, answer.headers);
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  }

  function deliver(
    kind: Delivery['kind'],
    payload: Readonly<Record<string, unknown>>,
    retry = 0,
    envelopeId: string = randomUUID(),
  ): Delivery {
    let tell: (answer: unknown) => void = () => {};
    const answer = new Promise<unknown>((resolve) => {
      tell = resolve;
    });
    const ended = http === undefined ? overSocket() : overHttp(http);
    void ended.then(() => tell(undefined));
    return { envelopeId, kind, payload, ended, answer };

    function overSocket(): Promise<'acked' | 'dispatch_failed' | 'operation_timeout'> {
      // Slack hands each delivery to one of the connections.
      const ready = open();
      const ws = ready[nextSocket++ % Math.max(1, ready.length)];
      if (ws === undefined) return Promise.resolve('dispatch_failed');
      return new Promise((resolve) => {
        const timer = setTimeout(() => end('operation_timeout'), ackWithinMs);
        const end = (how: 'acked' | 'operation_timeout') => {
          clearTimeout(timer);
          waitingAcks.delete(envelopeId);
          resolve(how);
        };
        waitingAcks.set(envelopeId, (response) => {
          // A slash command may be answered in the acknowledgement itself.
          if (kind === 'slash_commands' && isObject(response) && typeof response['text'] === 'string') {
            world.respond(String(payload['user_id']), String(payload['channel_id']), response);
          }
          tell(response);
          end('acked');
        });
        ws.send(
          JSON.stringify({
            envelope_id: envelopeId,
            type: kind,
            payload,
            accepts_response_payload: kind !== 'events_api',
            ...(retry > 0 ? { retry_attempt: retry, retry_reason: 'timeout' } : {}),
          }),
        );
      });
    }

    async function overHttp(to: {
      requestUrl: string;
      signingSecret: string;
    }): Promise<'acked' | 'dispatch_failed' | 'operation_timeout'> {
      const isEvent = kind === 'events_api';
      const body = isEvent
        ? JSON.stringify(payload)
        : kind === 'interactive'
          ? new URLSearchParams({ payload: JSON.stringify(payload) }).toString()
          : new URLSearchParams(
              Object.entries(payload).map(([key, value]): [string, string] => [key, String(value)]),
            ).toString();
      const timestamp = Math.floor(Date.now() / 1000);
      const signature = createHmac('sha256', to.signingSecret).update(`v0:${timestamp}:${body}`).digest('hex');
      try {
        const response = await fetch(to.requestUrl, {
          method: 'POST',
          headers: {
            'content-type': isEvent ? 'application/json' : 'application/x-www-form-urlencoded',
            'x-slack-request-timestamp': String(timestamp),
            'x-slack-signature': `v0=${signature}`,
            ...(retry > 0 ? { 'x-slack-retry-num': String(retry), 'x-slack-retry-reason': 'http_timeout' } : {}),
          },
          body,
          signal: AbortSignal.timeout(ackWithinMs),
        });
        const said = await response.text();
        if (said.startsWith('{')) tell(JSON.parse(said));
        return response.ok ? 'acked' : 'dispatch_failed';
      } catch (error) {
        return error instanceof Error && error.name === 'TimeoutError' ? 'operation_timeout' : 'dispatch_failed';
      }
    }
  }

  function responseUrl(user: string, channel: string): string {
    const id = randomUUID();
    responseUrls.set(id, { user, channel, uses: 0, untilMs: Date.now() + 30 * 60_000 });
    return `${world.origin.http}/response/${id}`;
  }

  /** Waits for `look` to find something: now, or after any change. */
  function awaitFound<T>(look: () => T | undefined, what: string, withinMs = 10_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const watcher = () => {
        const found = look();
        if (found === undefined) return;
        stop();
        resolve(found);
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`no ${what} within ${withinMs} ms; the thread so far:\n${tellAll(world)}`));
      }, withinMs);
      const stop = () => {
        clearTimeout(timer);
        watchers.delete(watcher);
      };
      watchers.add(watcher);
      watcher();
    });
  }

  const name = (user: string) => world.users.get(user) ?? user;
  const common = (user: string) => ({
    user: { id: user, username: name(user), name: name(user), team_id: world.teamId },
    api_app_id: 'A0NETCHECK',
    token: 'deprecated',
    team: { id: world.teamId, domain: 'practice' },
    enterprise: null,
    is_enterprise_install: false,
  });

  return {
    url: `${world.origin.http}/api/`,
    botToken: world.botToken,
    appToken: world.appToken,
    world,
    slash(text, who = {}) {
      const { user = 'U0ANNA', channel = 'C0INCIDENT', command = '/netcheck' } = who;
      return deliver('slash_commands', {
        token: 'deprecated',
        team_id: world.teamId,
        team_domain: 'practice',
        channel_id: channel,
        channel_name: world.channels.get(channel)?.name ?? 'directmessage',
        user_id: user,
        user_name: name(user),
        command,
        text: entities(text),
        api_app_id: 'A0NETCHECK',
        is_enterprise_install: 'false',
        response_url: responseUrl(user, channel),
        trigger_id: world.trigger(user),
      });
    },
    mention(text, where = {}) {
      const { user = 'U0ANNA', channel = 'C0INCIDENT', threadTs } = where;
      const full = `<@${world.botUserId}> ${entities(text)}`;
      const message = world.say(user, channel, full, threadTs);
      const delivery = deliver('events_api', {
        token: 'deprecated',
        team_id: world.teamId,
        api_app_id: 'A0NETCHECK',
        type: 'event_callback',
        event_id: world.id('Ev'),
        event_time: Math.floor(Date.now() / 1000),
        authorizations: [
          { team_id: world.teamId, user_id: world.botUserId, is_bot: true, is_enterprise_install: false },
        ],
        event: {
          type: 'app_mention',
          user,
          text: full,
          ts: message.ts,
          channel,
          event_ts: message.ts,
          team: world.teamId,
          ...(threadTs === undefined ? {} : { thread_ts: threadTs }),
        },
      });
      return { ...delivery, message };
    },
    click(actionId, message, who = {}) {
      const { user = 'U0ANNA' } = who;
      const now = world.message(message.channel, message.ts);
      const found = now?.blocks.flatMap((block) => {
        if (!isObject(block) || !Array.isArray(block['elements'])) return [];
        const element: unknown = block['elements'].find(
          (one: unknown) => isObject(one) && one['action_id'] === actionId,
        );
        return isObject(element) ? [{ element, blockId: block['block_id'] ?? 'b1' }] : [];
      })[0];
      if (now === undefined || found === undefined) throw new Error(`the message has no button ${actionId} (any more)`);
      return deliver('interactive', {
        type: 'block_actions',
        user: { id: user, username: name(user), name: name(user), team_id: world.teamId },
        api_app_id: 'A0NETCHECK',
        token: 'deprecated',
        container: {
          type: 'message',
          message_ts: now.ts,
          channel_id: now.channel,
          is_ephemeral: false,
          ...(now.threadTs === undefined ? {} : { thread_ts: now.threadTs }),
        },
        trigger_id: world.trigger(user),
        team: { id: world.teamId, domain: 'practice' },
        enterprise: null,
        is_enterprise_install: false,
        channel: { id: now.channel, name: world.channels.get(now.channel)?.name ?? '' },
        message: world.wire(now),
        state: { values: {} },
        response_url: responseUrl(user, now.channel),
        actions: [{ ...found.element, block_id: found.blockId, action_ts: (Date.now() / 1000).toFixed(6) }],
      });
    },
    pick(actionId, view, optionValue) {
      const now = world.views.get(view.id);
      const found = now?.blocks.flatMap((block) => elementsOf(block)).find((one) => one['action_id'] === actionId);
      const option = found && optionsOf(found).find((one) => one['value'] === optionValue);
      if (now === undefined || found === undefined || option === undefined)
        throw new Error(`the modal has no option ${optionValue} in ${actionId} (any more)`);
      return deliver('interactive', {
        type: 'block_actions',
        user: { id: now.user, username: name(now.user), name: name(now.user), team_id: world.teamId },
        api_app_id: 'A0NETCHECK',
        token: 'deprecated',
        container: { type: 'view', view_id: now.id },
        trigger_id: world.trigger(now.user),
        team: { id: world.teamId, domain: 'practice' },
        enterprise: null,
        is_enterprise_install: false,
        view: wireView(now, {}),
        actions: [
          {
            type: 'static_select',
            action_id: actionId,
            block_id: 'b1',
            selected_option: option,
            action_ts: (Date.now() / 1000).toFixed(6),
          },
        ],
      });
    },
    submit(view, values) {
      const now = world.views.get(view.id);
      if (now?.canSubmit !== true) throw new Error('there is no such modal to send in (any more)');
      const state: Record<string, unknown> = {};
      for (const block of now.blocks) {
        if (!isObject(block) || block['type'] !== 'input' || !isObject(block['element'])) continue;
        const { element } = block;
        const filled = values[String(block['block_id'])];
        const option = optionsOf(element).find((one) => one['value'] === filled);
        if (element['type'] === 'external_select' || element['type'] === 'conversations_select') {
          const isSearch = element['type'] === 'external_select';
          state[String(block['block_id'])] = {
            [String(element['action_id'])]: {
              type: element['type'],
              ...(isSearch
                ? {
                    selected_option:
                      filled === undefined ? null : { text: { type: 'plain_text', text: filled }, value: filled },
                  }
                : { selected_conversation: filled ?? null }),
            },
          };
          continue;
        }
        if (filled !== undefined && element['type'] === 'static_select' && option === undefined)
          throw new Error(`there is no option ${filled} in ${String(block['block_id'])}`);
        state[String(block['block_id'])] = {
          [String(element['action_id'])]:
            element['type'] === 'static_select'
              ? { type: 'static_select', selected_option: option ?? null }
              : { type: element['type'], value: filled ?? null },
        };
      }
      return deliver('interactive', {
        type: 'view_submission',
        user: { id: now.user, username: name(now.user), name: name(now.user), team_id: world.teamId },
        api_app_id: 'A0NETCHECK',
        token: 'deprecated',
        trigger_id: world.trigger(now.user),
        team: { id: world.teamId, domain: 'practice' },
        enterprise: null,
        is_enterprise_install: false,
        view: wireView(now, state),
        response_urls: [],
      });
    },
    shortcut(callbackId, message, who = {}) {
      const { user = 'U0ANNA' } = who;
      return deliver('interactive', {
        type: 'message_action',
        ...common(user),
        callback_id: callbackId,
        trigger_id: world.trigger(user),
        message_ts: message.ts,
        action_ts: (Date.now() / 1000).toFixed(6),
        response_url: responseUrl(user, message.channel),
        channel: { id: message.channel, name: world.channels.get(message.channel)?.name ?? '' },
        message: world.wire(message),
      });
    },
    suggest(actionId, view, typed) {
      const now = world.views.get(view.id);
      const block = now?.blocks.find((one) => elementsOf(one).some((element) => element['action_id'] === actionId));
      if (now === undefined || !isObject(block)) throw new Error(`the modal has no field ${actionId} (any more)`);
      return deliver('interactive', {
        type: 'block_suggestion',
        ...common(now.user),
        action_id: actionId,
        block_id: block['block_id'],
        value: typed,
        container: { type: 'view', view_id: now.id },
        view: wireView(now, {}),
      });
    },
    openHome(user = 'U0ANNA') {
      return deliver('events_api', {
        token: 'deprecated',
        team_id: world.teamId,
        api_app_id: 'A0NETCHECK',
        type: 'event_callback',
        event_id: world.id('Ev'),
        event_time: Math.floor(Date.now() / 1000),
        authorizations: [
          { team_id: world.teamId, user_id: world.botUserId, is_bot: true, is_enterprise_install: false },
        ],
        event: { type: 'app_home_opened', user, channel: `D${user.slice(1)}`, tab: 'home', event_ts: '1.000001' },
      });
    },
    clickPrivate(actionId, change) {
      const { message, onlyFor: user = 'U0ANNA', what } = change;
      const blocks = what === 'home' ? (world.homes.get(user) ?? []) : message.blocks;
      const element = blocks.flatMap((block) => elementsOf(block)).find((one) => one['action_id'] === actionId);
      if (element === undefined) throw new Error(`there is no button ${actionId}`);
      const place =
        what === 'home'
          ? {
              container: { type: 'view', view_id: 'V0HOME' },
              view: { id: 'V0HOME', type: 'home', private_metadata: '', hash: '' },
            }
          : {
              container: { type: 'message', message_ts: message.ts, channel_id: message.channel, is_ephemeral: true },
              channel: { id: message.channel, name: world.channels.get(message.channel)?.name ?? '' },
              response_url: responseUrl(user, message.channel),
            };
      return deliver('interactive', {
        type: 'block_actions',
        ...common(user),
        ...place,
        trigger_id: world.trigger(user),
        state: { values: {} },
        actions: [{ ...element, block_id: 'b1', action_ts: (Date.now() / 1000).toFixed(6) }],
      });
    },
    awaitView: (predicate, withinMs) =>
      awaitFound(() => [...world.views.values()].find(predicate), 'such modal', withinMs),
    redeliver: (delivery) => deliver(delivery.kind, delivery.payload, 1, delivery.envelopeId),
    deliverOverHttp(requestUrl, signingSecret) {
      http = { requestUrl, signingSecret };
    },
    awaitMessage: (predicate, withinMs) => awaitFound(() => world.messages().find(predicate), 'such message', withinMs),
    awaitChange: (predicate, withinMs) => awaitFound(() => world.changes.find(predicate), 'such change', withinMs),
    thread: (rootTs) => world.thread(rootTs),
    history: () => world.changes,
    onChange: (listener) => world.onChange(listener),
    fail: (method, trouble, scope) => world.script(method, trouble, scope),
    connections: () => open().length,
    async awaitConnections(count, withinMs) {
      await awaitFound(() => (open().length >= count ? true : undefined), `${count} connections`, withinMs);
    },
    async awaitGreetings(count, withinMs) {
      await awaitFound(() => (greetings >= count ? true : undefined), `${count} connections`, withinMs);
    },
    refresh(reason = 'refresh_requested') {
      for (const ws of open()) {
        retired.add(ws);
        // Slack does not close the TCP connection when the client says goodbye (node-slack-sdk#2752).
        ws.pause();
        ws.send(JSON.stringify({ type: 'disconnect', reason, debug_info: { host: 'applink-practice' } }));
      }
    },
    cutConnections() {
      for (const ws of sockets) {
        retired.add(ws);
        ws.terminate();
      }
    },
    async close() {
      for (const ws of sockets) ws.terminate();
      for (const response of silent) response.destroy();
      for (const socket of tcp) socket.destroy();
      sockServer.close();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Slack escapes what people type. */
function entities(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll(/<(?![@#!]|https?:|tel:|mailto:)/gu, '&lt;');
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function argsOf(request: IncomingMessage, body: Buffer): Readonly<Record<string, unknown>> {
  if ((request.headers['content-type'] ?? '').includes('json')) {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return isObject(parsed) ? parsed : {};
  }
  return Object.fromEntries(new URLSearchParams(body.toString('utf8')));
}

function tellAll(world: SlackWorld): string {
  return world.changes
    .map(
      (change) =>
        `  ${change.what} ${change.message.ts} ${change.message.text} ${JSON.stringify(change.message.blocks).slice(0, 300)}`,
    )
    .join('\n');
}
