import { afterEach, describe, expect, it } from 'vitest';
import { createSshTransport } from '../../../src/adapters/ssh/ssh-transport.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';
import { type LoopbackSshd, startLoopbackSshd, whyNoSshd } from './loopback-sshd.ts';

const missing = whyNoSshd();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`many connections at once, to a real sshd${because}`, () => {
  let sshd: LoopbackSshd | undefined;
  afterEach(() => sshd?.stop());

  it('all get in where the sshd drops what is more than four at a time (MaxStartups)', async () => {
    sshd = await startLoopbackSshd({ config: ['MaxStartups 4:100:4'] });
    const { port, user, identityFile, knownHostsFile } = sshd;
    const transport = createSshTransport({ identityFiles: [identityFile], knownHostsFiles: [knownHostsFile] });
    const { signal } = new AbortController();
    try {
      const connected = await Promise.all(
        Array.from({ length: 30 }, (_none, index) =>
          transport.connect(InventoryNode.parse({ name: `node-${index}`, address: '127.0.0.1', port, user }), {
            signal,
          }),
        ),
      );
      expect(connected.flatMap((one) => (one.ok ? [] : [one.exit.message]))).toEqual([]);
      // One connection per node, and some of them were dropped on the way: the storm was one.
      expect(sshd.log().split('Accepted publickey').length - 1).toBe(30);
      expect(sshd.log()).toMatch(/drop connection|MaxStartups/);
    } finally {
      await transport.close();
    }
  });
});
