import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { FakeSshServerOptions } from '../../fakes/ssh-server.ts';
import { startTcpProxy } from '../../fakes/tcp-proxy.ts';
import { cleanUp, connectTo, nodeAt, refusal, run, startServer, transportTo } from './bench.ts';

// vitest fails the whole run on an uncaught exception, which is what these peers are after.
describe('a node that misbehaves is a sentence, never a crash', () => {
  it.each<[string, FakeSshServerOptions, string, string]>([
    ['says nothing', { onSocket: () => 'handled' }, 'timeout', 'said nothing for 0.7 s'],
    [
      'is no SSH server',
      { onSocket: (socket) => (socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'handled') },
      'unreachable',
      'check MaxStartups and TCP wrappers of its sshd, and that this is an SSH port',
    ],
    [
      'talks garbage',
      { onSocket: (socket) => (socket.write('x'.repeat(40_000)), 'handled') },
      'unreachable',
      'does not speak SSH',
    ],
    [
      'sends an endless greeting',
      { onSocket: (socket) => (socket.write('hello\r\n'.repeat(5000)), 'handled') },
      'unreachable',
      'does not speak SSH',
    ],
    [
      'speaks only SSH 1',
      { onSocket: (socket) => (socket.write('SSH-1.5-ancient\r\n'), 'handled') },
      'unreachable',
      'does not speak SSH',
    ],
    [
      'sends a broken packet after its banner',
      {
        onSocket: (socket) => (
          socket.write(Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(64, 0xff)])), 'handled'
        ),
      },
      'unreachable',
      'does not speak SSH',
    ],
    [
      'resets every connection',
      { onSocket: (socket) => (socket.resetAndDestroy(), 'handled') },
      'unreachable',
      'before the SSH handshake, 5 times',
    ],
    ['refuses the key', { refuseLogin: true }, 'auth', 'refused the login of carol with key file'],
  ])('%s', async (_name, options, why, words) => {
    const server = await startServer(options);
    const exit = await refusal(transportTo(server, { connectTimeoutMs: 700 }), nodeAt(server));
    expect(exit.why).toBe(why);
    expect(exit.message).toContain(words);
    expect(exit.message).toContain(`node-12 (127.0.0.1:${server.port})`);
  });

  it('names what is wrong with an address', async () => {
    const server = await startServer();
    const transport = transportTo(server);
    expect((await refusal(transport, nodeAt({ port: 1 }))).message).toContain('refused the TCP connection');
    const unknown = await refusal(transport, nodeAt(server, { address: 'no-such-host.invalid' }));
    expect(unknown).toMatchObject({ why: 'unreachable', message: expect.stringContaining('does not resolve') });
  });

  it('a peer that resets an idle connection is noticed and replaced', async () => {
    const server = await startServer();
    const transport = transportTo(server);
    const first = await connectTo(transport, nodeAt(server));
    server.cut();
    while (server.openConnections() > 0) await sleep(5);
    await sleep(20);
    const lost = await run(first, ['true']);
    expect(lost.exit).toMatchObject({ how: 'connectionLost', message: expect.stringContaining('node-12') });
    const second = await connectTo(transport, nodeAt(server));
    expect((await run(second, ['true'])).exit).toEqual({ how: 'exited', code: 0 });
  });

  it('a network that swallows everything is noticed by keepalive', async () => {
    const server = await startServer();
    const proxy = await startTcpProxy(server.port);
    cleanUp.push(() => proxy.stop());
    const known = await readFile(server.knownHostsFile, 'utf8');
    await writeFile(server.knownHostsFile, known.replace(`:${server.port} `, `:${proxy.port} `));
    const transport = transportTo(server, { keepaliveIntervalMs: 100, keepaliveCountMax: 2 });
    const connection = await connectTo(transport, nodeAt(proxy));
    const running = run(connection, ['sleep', '600']);
    const queued = Array.from({ length: 6 }, () => run(connection, ['sleep', '600']));
    proxy.freeze();
    const results = await Promise.all([running, ...queued]);
    for (const result of results)
      expect(result.exit).toMatchObject({ how: 'connectionLost', message: expect.stringContaining('keepalive') });
  });

  it('an exec that is never answered ends with the time-out of the command', async () => {
    const server = await startServer({ onExec: () => {} });
    const connection = await connectTo(transportTo(server), nodeAt(server));
    const result = await run(connection, ['true'], 300);
    expect(result.exit).toMatchObject({ how: 'notStarted', why: 'timeout' });
    expect(JSON.stringify(result.exit)).toContain('login shell');
  });

  it('a server that closes the channel without a status has lost it', async () => {
    const server = await startServer({ onExec: (channel) => channel.close() });
    const result = await run(await connectTo(transportTo(server), nodeAt(server)), ['true']);
    expect(result.exit.how).toBe('connectionLost');
  });

  it('a login shell that runs nothing of ours is quoted', async () => {
    const server = await startServer({
      onExec: (channel) => {
        channel.write('\u001b[31m% Unknown command: "exec"\r\n');
        channel.exit(0);
        channel.end();
      },
    });
    const result = await run(await connectTo(transportTo(server), nodeAt(server)), ['true']);
    expect(result.exit).toMatchObject({
      how: 'notStarted',
      why: 'channel',
      message: expect.stringContaining('Unknown command'),
    });
  });
});
