import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HttpServer, type HttpLimits, serveHttp } from '../../../src/adapters/http/serve-http.ts';

const token = 'a-token-of-a-test-0123456789';

describe('the HTTP server', () => {
  let server: HttpServer;
  let bodies: unknown[];
  let lines: string[];
  const open: Socket[] = [];

  const serve = async (limits: Partial<HttpLimits> = {}): Promise<void> => {
    server = await serveHttp({
      port: 0,
      portHint: 'Set it to another one.',
      limits,
      log: (line) => lines.push(line),
      routes: [
        { method: 'GET', path: '/healthz', answer: () => Promise.resolve({ status: 200, body: { healthy: true } }) },
        {
          method: 'GET',
          path: '/text',
          token,
          answer: () => Promise.resolve({ status: 200, body: 'text\n', contentType: 'text/plain' }),
        },
        {
          method: 'POST',
          path: '/alerts',
          token,
          maxBodyBytes: 1000,
          answer(json) {
            bodies.push(json);
            return Promise.resolve({ status: 202, body: { taken: true } });
          },
        },
        { method: 'GET', path: '/broken', answer: () => Promise.reject(new Error('secret details')) },
        { method: 'POST', path: '/forwarded', listener: (request, response) => void request.pipe(response) },
      ],
    });
  };
  beforeEach(() => {
    bodies = [];
    lines = [];
  });
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    await server.close();
  });
  const ask = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${server.port}${path}`, init);
  const post = (body: string, headers: Readonly<Record<string, string>> = {}) =>
    ask('/alerts', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      body,
    });
  /** Sends bytes as they are, and resolves with all that comes back once the server has closed the connection. */
  const raw = (text: string): { readonly socket: Socket; readonly ended: Promise<string> } => {
    const socket = connect(server.port, '127.0.0.1');
    open.push(socket);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('error', () => undefined);
    const ended = new Promise<string>((resolve) => socket.on('close', () => resolve(answer)));
    socket.write(text);
    return { socket, ended };
  };

  it('answers its paths, and no other path or method', async () => {
    await serve();
    expect((await ask('/healthz')).status).toBe(200);
    expect(await (await ask('/healthz?full=1')).json()).toEqual({ healthy: true });
    for (const path of ['/', '/healthz/', '/HEALTHZ', '/wp-login.php', '//healthz', '/alerts/../healthz/x'])
      expect((await ask(path)).status, path).toBe(404);
    const wrong = await ask('/healthz', { method: 'DELETE' });
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET']);
    expect((await ask('/alerts')).status).toBe(405);
    expect(await (await ask('/forwarded', { method: 'POST', body: 'as it is' })).text()).toBe('as it is');
  });

  it('takes a token in constant form only: absent, wrong, longer, shorter, of another scheme are one answer', async () => {
    await serve();
    const right = await ask('/text', { headers: { authorization: `bearer ${token}` } });
    expect([right.status, right.headers.get('content-type'), await right.text()]).toEqual([
      200,
      'text/plain',
      'text\n',
    ]);
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Basic ${token}`,
      token,
      `Bearer ${'x'.repeat(2000)}`,
    ]) {
      const answer = await ask('/text', authorization === undefined ? {} : { headers: { authorization } });
      expect([answer.status, answer.headers.get('www-authenticate')], String(authorization)).toEqual([401, 'Bearer']);
    }
    expect((await ask(`/text?token=${token}`)).status).toBe(401);
  });

  it('does not read the body of a request without the token', async () => {
    await serve();
    const { ended } = raw(
      'POST /alerts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{',
    );
    expect(await ended).toMatch(/^HTTP\/1\.1 401 [^]*connection: close/i);
    expect(bodies).toEqual([]);
  });

  it('reads JSON and nothing else', async () => {
    await serve();
    expect((await post('{"a":[1]}')).status).toBe(202);
    expect((await post('{"a":2}', { 'content-type': 'Application/JSON; charset=utf-8' })).status).toBe(202);
    expect(bodies).toEqual([{ a: [1] }, { a: 2 }]);
    for (const body of ['', '{', 'null,', '\u0000', '{"a":1}{"a":1}']) {
      const answer = await post(body);
      expect([answer.status, await answer.json()], body).toEqual([400, { error: 'The body is not JSON.' }]);
    }
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post('{}', { 'content-type': 'application/jsonx' })).status).toBe(415);
    expect(bodies).toHaveLength(2);
  });

  it('refuses bytes that are no UTF-8', async () => {
    await serve();
    const answer = await ask('/alerts', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(answer.status).toBe(400);
  });

  it('refuses a body that says that it is too long, and one that does not say it and is', async () => {
    await serve();
    const long = JSON.stringify('x'.repeat(1000));
    const answer = await post(long);
    expect([answer.status, await answer.json()]).toEqual([413, { error: 'The body is longer than 1000 bytes.' }]);
    const head = `POST /alerts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    const endless = raw(head);
    const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`;
    const feed = setInterval(() => endless.socket.write(chunk), 5);
    expect(await endless.ended).toMatch(/^HTTP\/1\.1 413 /);
    clearInterval(feed);
    expect(bodies).toEqual([]);
  });

  it('cuts off who sends headers or a body one byte at a time, and who says nothing', async () => {
    await serve({ headersMs: 150, requestMs: 300, idleMs: 400 });
    const slowHeaders = raw('GET /healthz HTTP/1.1\r\nx-a: ');
    const slowBody = raw(
      `POST /alerts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n`,
    );
    const drip = setInterval(() => {
      for (const { socket } of [slowHeaders, slowBody]) if (socket.writable) socket.write('a');
    }, 20);
    const silent = raw('');
    const answers = await Promise.all([slowHeaders.ended, slowBody.ended, silent.ended]);
    clearInterval(drip);
    expect(answers[0]).toMatch(/^HTTP\/1\.1 408 /);
    expect(answers[1]).toMatch(/^(HTTP\/1\.1 (408|500) |$)/);
    expect(bodies).toEqual([]);
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('keeps no more than so many connections', async () => {
    await serve({ connections: 2 });
    const first = raw('');
    const second = raw('');
    await Promise.all([first, second].map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))));
    expect(await raw('GET /healthz HTTP/1.1\r\n\r\n').ended).toBe('');
    first.socket.destroy();
    await first.ended;
    await expect.poll(async () => (await ask('/healthz').catch(() => undefined))?.status).toBe(200);
  });

  it('says nothing about its own faults but to the log', async () => {
    await serve();
    const answer = await ask('/broken');
    expect([answer.status, await answer.text()]).toEqual([
      500,
      '{"error":"netcheck itself failed on this request."}\n',
    ]);
    expect(lines).toEqual(['http: GET /broken: secret details']);
  });

  it('answers nobody after close, and says which port is taken', async () => {
    await serve();
    const second = serveHttp({ port: server.port, portHint: 'Set it to another one.', routes: [] });
    await expect(second).rejects.toMatchObject({
      code: 'config/invalid',
      message: expect.stringContaining(`Port ${server.port} cannot be listened on`),
      hint: 'Set it to another one.',
    });
    await server.close();
    await expect(ask('/healthz')).rejects.toThrow();
  });
});
