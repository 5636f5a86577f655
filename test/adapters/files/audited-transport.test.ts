import { describe, expect, it } from 'vitest';
import { auditedTransport } from '../../../src/adapters/files/audited-transport.ts';
import type { AuditRecord } from '../../../src/model/audit-log-record.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';
import { createScriptedTransport } from '../../fakes/transport.ts';

const nodeNamed = (name: string): InventoryNode => InventoryNode.parse({ name, address: '10.0.0.1' });
const { signal } = new AbortController();
const command = (argv: readonly string[], privilege: 'none' | 'root' = 'none') => ({
  argv,
  privilege,
  timeoutMs: 1000,
  maxBytes: 1000,
});

describe('what runs on nodes', () => {
  it('is in the log under its run: argv, privilege, end, bytes; and logins that failed', async () => {
    const down = { how: 'notStarted', why: 'unreachable', message: 'no route to host' } as const;
    const inner = createScriptedTransport([
      {
        name: 'node-50',
        replies: [
          [['uname'], { stdout: 'Linux\n' }],
          [['false'], { exit: 1, stderr: 'no' }],
        ],
      },
      { name: 'node-51', down },
    ]);
    const records: AuditRecord[] = [];
    const transport = auditedTransport(
      inner,
      { append: async (record) => void records.push(record) },
      {
        run: 'r1',
        onTrouble: (error) => {
          throw error;
        },
      },
    );
    const connected = await transport.connect(nodeNamed('node-50'), { signal });
    if (!connected.ok) throw new Error('not connected');
    await connected.connection.run(command(['uname', '-a']), { signal });
    await connected.connection.run(command(['false'], 'root'), { signal });
    await transport.connect(nodeNamed('node-51'), { signal });
    await transport.flush();
    expect(records).toEqual([
      expect.objectContaining({
        event: 'ran',
        run: 'r1',
        node: 'node-50',
        commands: [
          expect.objectContaining({
            argv: ['uname', '-a'],
            privilege: 'none',
            exit: { how: 'exited', code: 0 },
            bytes: 6,
          }),
          expect.objectContaining({ argv: ['false'], privilege: 'root', exit: { how: 'exited', code: 1 }, bytes: 2 }),
        ],
      }),
      expect.objectContaining({
        event: 'ran',
        run: 'r1',
        node: 'node-51',
        commands: [],
        unreachable: 'no route to host',
      }),
    ]);
    await transport.flush();
    expect(records).toHaveLength(2);
  });

  it('goes on where the log cannot be written, and says so', async () => {
    const troubles: unknown[] = [];
    const transport = auditedTransport(
      createScriptedTransport([{ name: 'node-50', replies: [[['uname'], { stdout: 'Linux\n' }]] }]),
      { append: () => Promise.reject(new Error('no space')) },
      { onTrouble: (error) => void troubles.push(error) },
    );
    const connected = await transport.connect(nodeNamed('node-50'), { signal });
    if (!connected.ok) throw new Error('not connected');
    expect((await connected.connection.run(command(['uname']), { signal })).exit).toEqual({ how: 'exited', code: 0 });
    await transport.flush();
    expect(troubles).toHaveLength(1);
  });
});
