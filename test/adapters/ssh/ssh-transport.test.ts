import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { NodeTransport } from '../../../src/engine/ports.ts';
import type { InventoryNode } from '../../../src/model/inventory.ts';
import { cleanUp, connectTo, forever, nodeAt, refusal, run, startServer, transportTo } from './bench.ts';

describe('limits of servers', () => {
  it('never has more than 4 channels at once', async () => {
    const server = await startServer();
    const connection = await connectTo(transportTo(server), nodeAt(server));
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => run(connection, ['echo', String(index)])),
    );
    expect(results.map((result) => Buffer.from(result.stdout).toString())).toEqual(
      Array.from({ length: 20 }, (_, index) => `${index}\n`),
    );
    expect(server.mostSessions()).toBeLessThanOrEqual(4);
  });

  it('asks again for a channel that was refused', async () => {
    const server = await startServer({ refuseChannels: 3 });
    const result = await run(await connectTo(transportTo(server), nodeAt(server)), ['echo', 'hello']);
    expect(result.exit).toEqual({ how: 'exited', code: 0 });
  });

  it('gives up on a server that refuses every channel', async () => {
    const server = await startServer({ maxSessions: 0 });
    const result = await run(await connectTo(transportTo(server), nodeAt(server)), ['echo', 'hello'], 20_000);
    expect(result.exit).toMatchObject({
      how: 'notStarted',
      why: 'channel',
      message: expect.stringContaining('MaxSessions'),
    });
  });

  it('asks again where the connection was dropped before the handshake', async () => {
    const server = await startServer({
      onSocket: (socket, count) => (count < 3 ? (socket.end('Exceeded MaxStartups\r\n'), 'handled') : undefined),
    });
    const connection = await connectTo(transportTo(server), nodeAt(server));
    expect((await run(connection, ['true'])).exit).toEqual({ how: 'exited', code: 0 });
    expect(server.connections()).toBe(3);
  });
});

describe('the pool', () => {
  it('shares one connection per node, and closes it after a while without use', async () => {
    const server = await startServer();
    const transport = transportTo(server, { idleCloseMs: 30 });
    const node = nodeAt(server);
    const [first, second] = await Promise.all([connectTo(transport, node), connectTo(transport, node)]);
    expect(server.connections()).toBe(1);
    await first.close();
    await first.close();
    await sleep(60);
    expect((await run(second, ['true'])).exit).toEqual({ how: 'exited', code: 0 });
    await second.close();
    while (server.openConnections() > 0) await sleep(5);
    await connectTo(transport, node);
    expect(server.connections()).toBe(2);
  });

  it('keeps apart what is reached in different ways', async () => {
    const server = await startServer();
    const transport = transportTo(server);
    await connectTo(transport, nodeAt(server));
    await connectTo(transport, nodeAt(server, { user: 'dave' }));
    expect(server.connections()).toBe(2);
  });

  it('gives up connecting on abort at once, without harm to others who wait', async () => {
    const server = await startServer({ onSocket: () => 'handled' });
    const transport = transportTo(server, { connectTimeoutMs: 500 });
    const controller = new AbortController();
    const aborted = transport.connect(nodeAt(server), { signal: controller.signal });
    const waiting = transport.connect(nodeAt(server), { signal: forever });
    while (server.connections() === 0) await sleep(5);
    controller.abort('cancelled');
    expect(await aborted).toMatchObject({ ok: false, exit: { why: 'budget' } });
    expect(await waiting).toMatchObject({ ok: false, exit: { why: 'timeout' } });
  });

  it('takes the connection down when the only one who waited gives up', async () => {
    const server = await startServer({ onSocket: () => 'handled' });
    const controller = new AbortController();
    const aborted = transportTo(server, { connectTimeoutMs: 60_000 }).connect(nodeAt(server), {
      signal: controller.signal,
    });
    while (server.connections() === 0) await sleep(5);
    controller.abort();
    await aborted;
    while (server.openConnections() > 0) await sleep(5);
  });

  it('ends everything on close(), and opens nothing after it', async () => {
    const server = await startServer();
    const transport = transportTo(server);
    await connectTo(transport, nodeAt(server));
    await transport.close();
    while (server.openConnections() > 0) await sleep(5);
    await expect(transport.connect(nodeAt(server), { signal: forever })).rejects.toThrow('closed');
  });
});

describe('jump hosts', () => {
  it('are shared, and let go when the last connection over them has gone', async () => {
    const bastion = await startServer();
    const inner = await startServer();
    const directory = await mkdtemp(path.join(tmpdir(), 'netcheck-jump-'));
    cleanUp.push(() => rm(directory, { recursive: true, force: true }));
    const known = path.join(directory, 'known_hosts');
    await writeFile(
      known,
      (await readFile(bastion.knownHostsFile, 'utf8')) + (await readFile(inner.knownHostsFile, 'utf8')),
    );
    const bastionNode = nodeAt(bastion, { name: 'bastion', identityFile: bastion.identityFile });
    const transport = transportTo(inner, {
      knownHostsFiles: [known],
      idleCloseMs: 30,
      findNode: (name) => (name === 'bastion' ? bastionNode : null),
    });
    const a = await connectTo(transport, nodeAt(inner, { name: 'a', jump: 'bastion' }));
    const b = await connectTo(transport, nodeAt(inner, { name: 'b', jump: 'bastion' }));
    expect([bastion.connections(), inner.connections()]).toEqual([1, 2]);
    const results = await Promise.all([run(a, ['echo', 'a']), run(b, ['echo', 'b'])]);
    expect(results.map((result) => Buffer.from(result.stdout).toString())).toEqual(['a\n', 'b\n']);

    bastion.cut();
    const lost = await run(a, ['sleep', '600']);
    expect(lost.exit.how).toBe('connectionLost');

    const again = await connectTo(transport, nodeAt(inner, { name: 'a', jump: 'bastion' }));
    expect((await run(again, ['true'])).exit).toEqual({ how: 'exited', code: 0 });
    await Promise.all([a.close(), b.close(), again.close()]);
    while (bastion.openConnections() + inner.openConnections() > 0) await sleep(5);
  });

  it('that loop are refused before anything is opened', async () => {
    const server = await startServer();
    const node = nodeAt(server, { jump: 'node-12' });
    const exit = await refusal(transportTo(server, { findNode: () => node }), node);
    expect(exit).toMatchObject({ why: 'unreachable', message: expect.stringContaining('loop') });
    expect(server.connections()).toBe(0);
  });

  it('that do not answer the forward are given up in time', async () => {
    const bastion = await startServer();
    const silent = await startServer({ onSocket: () => 'handled' });
    const bastionNode = nodeAt(bastion, { name: 'bastion' });
    const transport = transportTo(bastion, { connectTimeoutMs: 700, findNode: () => bastionNode });
    const exit = await refusal(transport, nodeAt(silent, { name: 'inner', jump: 'bastion' }));
    expect(exit).toMatchObject({ why: 'timeout', message: expect.stringContaining('inner') });
  });
});

describe('how far the way to a node has been gone', () => {
  const statesOf = async (transport: NodeTransport, node: InventoryNode) => {
    const states: string[] = [];
    const connected = await transport.connect(node, { signal: forever, onReach: (state) => states.push(state) });
    return { states, connected };
  };

  it('is told: the node is asked, the node has answered', async () => {
    const server = await startServer();
    expect((await statesOf(transportTo(server), nodeAt(server))).states).toEqual(['knocking', 'answered']);
  });

  it('counts an answer on TCP, also where nothing follows, and tells all who wait', async () => {
    const server = await startServer({ onSocket: () => 'handled' });
    const transport = transportTo(server, { connectTimeoutMs: 300 });
    const both = await Promise.all([1, 2].map(() => statesOf(transport, nodeAt(server))));
    expect(both.map(({ states }) => states)).toEqual([
      ['knocking', 'answered'],
      ['knocking', 'answered'],
    ]);
  });

  it('takes a connection that was open for no sign of life: a channel is one', async () => {
    const server = await startServer();
    const transport = transportTo(server);
    const first = await connectTo(transport, nodeAt(server));
    await first.close();
    const { states, connected } = await statesOf(transport, nodeAt(server));
    expect(states).toEqual(['knocking']);
    if (!connected.ok) throw new Error(connected.exit.message);
    await run(connected.connection, ['true']);
    expect(states).toEqual(['knocking', 'answered']);
    expect(server.connections()).toBe(1);
  });

  it('counts nothing before its jump host has let us through', async () => {
    const bastion = await startServer({ onSocket: () => 'handled' });
    const transport = transportTo(bastion, {
      connectTimeoutMs: 300,
      findNode: () => nodeAt(bastion, { name: 'bastion' }),
    });
    const { states, connected } = await statesOf(transport, nodeAt(bastion, { name: 'inner', jump: 'bastion' }));
    expect(connected.ok).toBe(false);
    expect(states).toEqual([]);
  });
});

describe('keys', () => {
  it('that are missing or encrypted are explained, never printed', async () => {
    const server = await startServer({ refuseLogin: true });
    const absent = path.join(server.directory, 'absent');
    const rubbish = path.join(server.directory, 'rubbish');
    await writeFile(rubbish, 'SECRET-RUBBISH');
    const exit = await refusal(
      transportTo(server, { identityFiles: [absent, rubbish, `${server.identityFile}.pub`] }),
      nodeAt(server),
    );
    expect(exit.why).toBe('auth');
    expect(exit.message).toContain('There is no key to log in to');
    expect(exit.message).toContain(`${absent} does not exist`);
    expect(exit.message).toContain(`${rubbish} is not a private key`);
    expect(exit.message).toContain('holds a public key');
    expect(exit.message).not.toContain('SECRET-RUBBISH');
  });
});

describe('host keys', () => {
  it('are not trusted on first use', async () => {
    const server = await startServer();
    const exit = await refusal(
      transportTo(server, { knownHostsFiles: [path.join(server.directory, 'absent')] }),
      nodeAt(server),
    );
    expect(exit.why).toBe('hostKey');
    expect(exit.message).toContain(server.fingerprint);
    expect(exit.message).toContain(`[127.0.0.1]:${server.port} ssh-ed25519 ${server.hostKey.toString('base64')}`);
  });

  it('may be recorded under an alias, in a file of the node', async () => {
    const server = await startServer();
    const own = path.join(server.directory, 'own');
    await writeFile(own, `the-node ssh-ed25519 ${server.hostKey.toString('base64')}\n`);
    const transport = transportTo(server, {
      knownHostsFilesOf: async (node) => (node.name === 'node-12' ? [own] : undefined),
    });
    await connectTo(transport, nodeAt(server, { hostKeyAlias: 'the-node' }));
    expect((await refusal(transport, nodeAt(server))).why).toBe('hostKey');
  });

  it('that are revoked or only certified are refused in so many words', async () => {
    const server = await startServer();
    const key = `ssh-ed25519 ${server.hostKey.toString('base64')}`;
    const file = path.join(server.directory, 'marked');
    await writeFile(file, `@revoked * ${key}\n[127.0.0.1]:${server.port} ${key}\n`);
    expect((await refusal(transportTo(server, { knownHostsFiles: [file] }), nodeAt(server))).message).toContain(
      'is revoked',
    );
    await writeFile(file, `@cert-authority * ${key}\n`);
    expect((await refusal(transportTo(server, { knownHostsFiles: [file] }), nodeAt(server))).message).toContain(
      'cannot check SSH certificates',
    );
  });
});
