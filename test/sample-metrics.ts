import type { NodeTransport, RunRequest } from '../src/engine/ports.ts';
import type { Metrics } from '../src/metrics.ts';
import { InventoryNode } from '../src/model/inventory.ts';
import { sampleReport } from './adapters/slack/sample-run.ts';

const request: RunRequest = {
  id: 'r1',
  text: 'node-50 port 1301',
  language: 'en',
  askedBy: 'alert',
  askedAtMs: 1000,
  thread: { channel: 'C1', rootTs: '1.0', statusTs: '1.1' },
  origin: 'alert',
};

/** Everything that is counted, once: a run of an alert, calls, connects and commands with several ends. */
export async function sampleMetrics(metrics: Metrics): Promise<void> {
  const thread = metrics.thread({ progress() {}, report: async () => {}, failed: async () => {} }, request);
  thread.progress({ type: 'planned', nodes: [], playbooks: ['port-check', 'dns'] });
  thread.progress({ type: 'phase', phase: 'connect', atMs: 2000 });
  thread.progress({ type: 'phase', phase: 'look', atMs: 2400 });
  await thread.report(sampleReport());
  const second = metrics.thread(
    { progress() {}, report: async () => {}, failed: () => Promise.reject(new Error('Slack is away')) },
    { ...request, id: 'r2', origin: 'schedule' },
  );
  await second.failed({ message: 'no', hint: '', cancelled: false }).catch(() => undefined);
  const { origin: _origin, ...byPerson } = request;
  const third = metrics.thread({ progress() {}, report: async () => {}, failed: async () => {} }, byPerson);
  await third.failed({ message: 'U1', hint: '', cancelled: true });
  metrics.begunAgain();
  metrics.onSlackCall('chat.postMessage', { outcome: 'ok', response: {}, scopes: [] });
  metrics.onSlackCall('chat.postMessage', { outcome: 'rateLimited', retryAfterMs: 1000 });
  metrics.alert('started');
  metrics.watchQueue({ load: () => Promise.resolve({ waiting: 2, active: 1, oldestWaitingMs: 1500 }) });

  const node = InventoryNode.parse({ name: 'node-50', address: '10.0.0.50' });
  const { signal } = new AbortController();
  const result = { stdout: new Uint8Array(), stderr: new Uint8Array(), startedAtMs: 0, endedAtMs: 1 };
  const up: NodeTransport = metrics.transport({
    connect: async () => ({
      ok: true,
      connection: {
        run: async ({ argv }) => ({
          ...result,
          exit:
            argv[0] === 'slow'
              ? { how: 'timedOut', afterMs: 1 }
              : argv[0] === 'sudo'
                ? { how: 'notStarted', why: 'sudo', message: 'a password is required' }
                : { how: 'exited', code: argv[0] === 'true' ? 0 : 3 },
        }),
        close: async () => {},
      },
    }),
    close: async () => {},
  });
  const connected = await up.connect(node, { signal });
  if (!connected.ok) throw new Error('not connected');
  for (const program of ['true', 'false', 'slow', 'sudo'])
    await connected.connection.run({ argv: [program], privilege: 'none', timeoutMs: 1, maxBytes: 1 }, { signal });
  const down = metrics.transport({
    connect: async () => ({ ok: false, exit: { how: 'notStarted', why: 'hostKey', message: 'changed' } }),
    close: async () => {},
  });
  await down.connect(node, { signal });
}
