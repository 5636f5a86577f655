import { afterEach, vi } from 'vitest';
import { createSshTransport, type SshOptions } from '../../../src/adapters/ssh/ssh-transport.ts';
import type { CommandResult, NodeConnection, NodeTransport } from '../../../src/engine/ports.ts';
import type { Exit } from '../../../src/model/evidence.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';
import { type FakeSshServer, type FakeSshServerOptions, startFakeSshServer } from '../../fakes/ssh-server.ts';

// Bounds for a busy machine; nothing here measures time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** A signal that never comes. */
export const forever = new AbortController().signal;

/** Everything a test started, ended in reverse order. */
export const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
});

export const startServer = async (options: FakeSshServerOptions = {}): Promise<FakeSshServer> => {
  const server = await startFakeSshServer(options);
  cleanUp.push(() => server.stop());
  return server;
};
export const transportTo = (server: FakeSshServer, options: Partial<SshOptions> = {}): NodeTransport => {
  const transport = createSshTransport({
    identityFiles: [server.identityFile],
    knownHostsFiles: [server.knownHostsFile],
    connectTimeoutMs: 3000,
    ...options,
  });
  cleanUp.push(() => transport.close());
  return transport;
};
export const nodeAt = (server: { port: number }, change: Record<string, unknown> = {}): InventoryNode =>
  InventoryNode.parse({ name: 'node-12', address: '127.0.0.1', port: server.port, user: 'carol', ...change });
export const connectTo = async (transport: NodeTransport, node: InventoryNode): Promise<NodeConnection> => {
  const result = await transport.connect(node, { signal: forever });
  if (!result.ok) throw new Error(result.exit.message);
  return result.connection;
};
export const refusal = async (
  transport: NodeTransport,
  node: InventoryNode,
): Promise<Extract<Exit, { how: 'notStarted' }>> => {
  const result = await transport.connect(node, { signal: forever });
  if (result.ok) throw new Error('it connected');
  return result.exit;
};
export const run = (connection: NodeConnection, argv: readonly string[], timeoutMs = 10_000): Promise<CommandResult> =>
  connection.run({ argv, privilege: 'none', timeoutMs, maxBytes: 100_000 }, { signal: forever });
