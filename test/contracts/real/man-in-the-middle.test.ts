import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createSshTransport } from '../../../src/adapters/ssh/ssh-transport.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';
import { type LoopbackSshd, startLoopbackSshd, whyNoSshd } from './loopback-sshd.ts';

const missing = whyNoSshd();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
});

/** A wire to a port of 127.0.0.1 on which somebody listens in. */
async function startWire(toPort: number): Promise<{ readonly port: number; sent(): Buffer; connections(): number }> {
  const chunks: Buffer[] = [];
  let connections = 0;
  const server = createServer((near) => {
    connections += 1;
    const far = connect(toPort, '127.0.0.1');
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('data', (chunk: Buffer) => chunks.push(chunk));
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(async () => void server.close());
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    sent: () => Buffer.concat(chunks),
    connections: () => connections,
  };
}

/**
 * Numbers of the messages that a client has sent in the clear (RFC 4253, 4.2 and 6): a line, then packets of a length,
 * a padding length and a payload. Null where bytes follow that are no such packet: encryption has begun.
 */
function messagesOf(sent: Buffer): readonly number[] | null {
  const lineEnd = sent.indexOf('\n');
  expect(sent.subarray(0, 8).toString()).toBe('SSH-2.0-');
  const messages: number[] = [];
  for (let at = lineEnd + 1; at < sent.length; ) {
    const length = sent.length - at < 6 ? Number.POSITIVE_INFINITY : sent.readUInt32BE(at);
    if (length > 35_000 || at + 4 + length > sent.length) return null;
    messages.push(sent[at + 5] ?? 0);
    // SSH_MSG_NEWKEYS: from here on it is encrypted
    if (messages.at(-1) === 21) return at + 4 + length === sent.length ? messages : null;
    at += 4 + length;
  }
  return messages;
}

/** KEXINIT, what the method of key exchange sends (30 to 34), and a goodbye. No NEWKEYS, no service, no login. */
const onlyKeyExchange = (messages: readonly number[] | null): boolean =>
  messages !== null &&
  messages.length > 0 &&
  messages.every((one) => one === 20 || one === 1 || (one >= 30 && one <= 34));

const startSshd = async (): Promise<LoopbackSshd> => {
  const sshd = await startLoopbackSshd();
  cleanUp.push(() => sshd.stop());
  return sshd;
};
const keyOf = async (sshd: LoopbackSshd): Promise<string> =>
  (await readFile(`${sshd.hostKeyFiles[0]}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');

describe.skipIf(missing !== undefined)(`somebody in the middle${because}`, () => {
  /** The recorded keys are those of other machines, wherever `changed` says so. */
  async function world(changed: 'nobody' | 'target' | 'jump host' | 'unknown target') {
    const [target, bastion, other] = await Promise.all([startSshd(), startSshd(), startSshd()]);
    const [toTarget, toBastion] = await Promise.all([startWire(target.port), startWire(bastion.port)]);
    const known = path.join(target.directory, 'known');
    const line = async (port: number, sshd: LoopbackSshd, wrong: boolean): Promise<string> =>
      `[127.0.0.1]:${port} ${await keyOf(wrong ? other : sshd)}\n`;
    await writeFile(
      known,
      (await line(toBastion.port, bastion, changed === 'jump host')) +
        (changed === 'unknown target' ? '' : await line(toTarget.port, target, changed === 'target')),
    );
    const nodes = {
      bastion: InventoryNode.parse({
        name: 'bastion',
        address: '127.0.0.1',
        port: toBastion.port,
        user: bastion.user,
        identityFile: bastion.identityFile,
      }),
      direct: InventoryNode.parse({
        name: 'direct',
        address: '127.0.0.1',
        port: toTarget.port,
        user: target.user,
        identityFile: target.identityFile,
      }),
    };
    const transport = createSshTransport({
      knownHostsFiles: [known],
      findNode: (name) => (name === 'bastion' ? nodes.bastion : null),
    });
    cleanUp.push(() => transport.close());
    const reach = async (node: InventoryNode) => transport.connect(node, { signal: new AbortController().signal });
    const behind = { ...nodes.direct, name: 'behind', jump: 'bastion' };
    return { target, bastion, toTarget, toBastion, reach, direct: nodes.direct, behind };
  }

  it('is not there: login and more go over the wire, encrypted', async () => {
    const { toTarget, toBastion, reach, direct, behind } = await world('nobody');
    expect((await reach(direct)).ok).toBe(true);
    expect((await reach(behind)).ok).toBe(true);
    for (const wire of [toTarget, toBastion]) expect(onlyKeyExchange(messagesOf(wire.sent()))).toBe(false);
  });

  it.each(['target', 'unknown target'] as const)('instead of the %s: refused in the key exchange', async (changed) => {
    const { target, toTarget, reach, direct } = await world(changed);
    const result = await reach(direct);
    expect(result).toMatchObject({ ok: false, exit: { how: 'notStarted', why: 'hostKey' } });
    expect(toTarget.connections()).toBe(1);
    expect(messagesOf(toTarget.sent())).toContain(20);
    expect(onlyKeyExchange(messagesOf(toTarget.sent()))).toBe(true);
    expect(target.log()).not.toMatch(/Accepted|userauth|publickey for/);
    // nor does it say who would have logged in
    expect(toTarget.sent().includes(direct.user ?? '-')).toBe(false);
  });

  it('instead of the target behind a jump host: refused there, and nothing else goes through', async () => {
    const { target, toTarget, reach, behind } = await world('target');
    expect(await reach(behind)).toMatchObject({ ok: false, exit: { how: 'notStarted', why: 'hostKey' } });
    expect(onlyKeyExchange(messagesOf(toTarget.sent()))).toBe(true);
    expect(target.log()).not.toMatch(/Accepted|publickey for/);
  });

  it('instead of the jump host: refused there, and the target never hears of it', async () => {
    const { bastion, toTarget, toBastion, reach, behind } = await world('jump host');
    const result = await reach(behind);
    expect(result).toMatchObject({ ok: false, exit: { how: 'notStarted', why: 'hostKey' } });
    expect(onlyKeyExchange(messagesOf(toBastion.sent()))).toBe(true);
    expect(bastion.log()).not.toMatch(/Accepted|publickey for/);
    expect(toTarget.connections()).toBe(0);
  });
});
