import { describe, expect, it } from 'vitest';
import { createMemorySink } from '../../src/adapters/files/memory-sink.ts';
import { createInProcessSlots } from '../../src/adapters/ssh/in-process-slots.ts';
import { auditNode, judgeNode } from '../../src/engine/audit-node.ts';
import { judge } from '../../src/engine/judge.ts';
import type { CollectPorts } from '../../src/engine/collect-ports.ts';
import { planAudit } from '../../src/engine/plan-audit.ts';
import type { EvidenceSink, NodeTransport } from '../../src/engine/ports.ts';
import { runAudit } from '../../src/engine/run-audit.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { type AuditJob, NodeAudit } from '../../src/model/node-audit.ts';
import type { RunRecord } from '../../src/model/run-record.ts';
import { auditRegistries, auditsOfCase } from '../fakes/recorded-fleet.ts';
import { createScriptedTransport, type ScriptedNode } from '../fakes/transport.ts';

describe('the audit of recorded nodes', () => {
  it.each([
    ['tw-recycle', { 'node-50': ['tw-recycle'] }],
    ['report-1', { nacos: ['tw-recycle'] }],
    ['decoy-tw-recycle-without-nat', { 'node-50': ['tw-recycle'] }],
    ['vxlan-mtu', { 'node-50': ['cni-mtu-mismatch'], 'node-12': ['cni-mtu-mismatch'] }],
    ['ipvs-idle-reset', { 'node-2': ['keepalive-too-late'] }],
    ['abort-on-overflow', { 'node-50': ['net.ipv4.tcp_abort_on_overflow'] }],
    ['syn-queue-overflow', { 'node-50': ['net.ipv4.tcp_syncookies'] }],
  ])('of %s accuses what is risky there and nothing else', async (name, accused) => {
    const audits = await auditsOfCase(name);
    const found = audits.map(({ node, findings }) => [node, findings.map(({ check }) => check)] as const);
    expect(Object.fromEntries(found.filter(([, checks]) => checks.length > 0))).toEqual(accused);
    for (const { findings } of audits) for (const { verdict } of findings) expect(verdict).toBe('likely');
    for (const audit of audits) expect(NodeAudit.parse(audit)).toEqual(audit);
  });

  it.each(['healthy', 'healthy-twin', 'tw-recycle-mended', 'vxlan-mtu-mended', 'decoy-others-dropped', 'path-drop'])(
    'of %s accuses nobody',
    async (name) => {
      for (const { findings } of await auditsOfCase(name)) expect(findings).toEqual([]);
    },
  );

  it('says the same things in Chinese', async () => {
    const [first] = (await auditsOfCase('tw-recycle', { language: 'zh' })).filter(({ node }) => node === 'node-50');
    expect(first?.findings[0]?.because[0]?.text).toMatch(/[\u4e00-\u9fff]|tcp_tw_recycle/);
    expect(first?.findings[0]?.title).toMatch(/[\u4e00-\u9fff]/);
  });

  it('keeps facts that can be compared, and no counters or addresses among them', async () => {
    const [node] = (await auditsOfCase('report-1')).filter(({ facts }) => Object.keys(facts).length > 3);
    const names = Object.keys(node?.facts ?? {});
    expect(names).toContain('kernel');
    expect(names.filter((name) => /count$|TcpExt|^dev\./.test(name))).toEqual([]);
    expect(JSON.stringify(node).length).toBeLessThan(100_000);
  });
});

const job = (node: string, more: Partial<AuditJob> = {}): AuditJob => ({
  audit: 'a1',
  node,
  playbook: 'node-audit',
  language: 'en',
  labels: { role: 'web' },
  ...more,
});
const inventory = (name: string): InventoryNode => InventoryNode.parse({ name, address: '192.0.2.7', user: 'root' });

const netstat = (overflows: number): string =>
  `TcpExt: ListenOverflows ListenDrops\nTcpExt: ${overflows} ${overflows}\n`;
const node = (name: string, { uptime = 90_000, overflows = 7 } = {}): ScriptedNode => ({
  name,
  replies: [
    [
      ['sh', '-c'],
      { stdout: 'uid 0\ntool sh /bin/sh\ntool ip /sbin/ip\nfile /proc/net/netstat\nmodule nf_conntrack absent\n' },
    ],
    [['uname'], { stdout: '4.9.0-19-amd64\n' }],
    [['date'], { stdout: '1795228800.000000000\n' }],
    [['cat', '/proc/net/netstat'], { stdout: netstat(overflows) }],
    [['cat', '/proc/uptime'], { stdout: `${uptime}.00 10.00\n` }],
    [
      ['grep', '-H', ''],
      {
        stdout:
          '/proc/sys/net/ipv4/tcp_tw_recycle:1\n/proc/sys/net/ipv4/tcp_timestamps:1\n/proc/sys/net/core/somaxconn:128\n',
      },
    ],
  ],
});
const ports = (transport: NodeTransport, sink: EvidenceSink = createMemorySink()): CollectPorts => ({
  transport,
  slots: createInProcessSlots({ perNode: 2 }),
  sink,
  redact: (bytes) => bytes,
  now: Date.now,
});
const options = { signal: new AbortController().signal, netcheck: '0.0.0' };

describe('the audit of one node', () => {
  it('connects once, captures nothing, probes nothing, reads every command once', async () => {
    const transport = createScriptedTransport([node('web-1')]);
    const audit = await auditNode(job('web-1'), inventory('web-1'), auditRegistries, ports(transport), options);
    expect(audit).toMatchObject({ outcome: 'looked', kernel: '4.9.0-19-amd64', labels: { role: 'web' } });
    expect(audit.findings.map(({ fingerprint }) => fingerprint)).toEqual(['tw-recycle/web-1/audit']);
    expect(audit.facts).toMatchObject({ 'net.core.somaxconn': '128', kernel: '4.9.0-19-amd64' });
    expect(audit.counters).toMatchObject({ uptimeSec: 90_000, values: { 'TcpExt.ListenOverflows': 7 } });
    expect(transport.connected).toEqual(['web-1']);
    const ran = transport.ran.map(({ argv }) => argv.join(' '));
    expect(ran.filter((command) => /^(?:tcpdump|nsenter|ping|arping|tracepath)/.test(command))).toEqual([]);
    expect(ran.filter((command, at) => ran.indexOf(command) !== at && !command.startsWith('cat /proc/uptime'))).toEqual(
      [],
    );
  });

  it('sees what has risen since the last audit, and not across a start of the node', async () => {
    const last = { readAtMs: Date.now() - 86_400_000, uptimeSec: 3600, values: { 'TcpExt.ListenOverflows': 7 } };
    const audit = async (scripted: ScriptedNode): Promise<NodeAudit> =>
      auditNode(
        job('web-1', { last }),
        inventory('web-1'),
        auditRegistries,
        ports(createScriptedTransport([scripted])),
        options,
      );
    const risen = await audit(node('web-1', { overflows: 5007 }));
    expect(risen.findings.find(({ check }) => check === 'rose-since-audit')?.because[0]?.text).toBe(
      'TcpExt.ListenOverflows +5000 in 24 h since the last audit: see accept-queue-overflow',
    );
    expect((await audit(node('web-1'))).checks['rose-since-audit']?.verdict).toBe('ruledOut');
    const started = await audit(node('web-1', { overflows: 5007, uptime: 500 }));
    expect(started.checks['rose-since-audit']?.verdict).toBe('notApplicable');
  });

  it('runs the same commands as the audit before did', async () => {
    const ranWith = async (more: Partial<AuditJob>): Promise<readonly string[]> => {
      const seen = 'uid 0\ntool sh /bin/sh\nfile /proc/net/netstat\nfile /proc/net/dev\nfile /proc/net/softnet_stat\n';
      const { name, replies = [] } = node('web-1');
      const transport = createScriptedTransport([{ name, replies: [[['sh', '-c'], { stdout: seen }], ...replies] }]);
      await auditNode(job('web-1', more), inventory('web-1'), auditRegistries, ports(transport), options);
      return transport.ran.map(({ argv }) => argv.join(' ')).toSorted();
    };
    const last = { readAtMs: Date.now() - 86_400_000, uptimeSec: 3600, values: { 'TcpExt.ListenOverflows': 7 } };
    const first = await ranWith({});
    expect(first).toContain('cat /proc/net/dev');
    expect(await ranWith({ last })).toEqual(first);
  });

  it('writes evidence that gives the same again', async () => {
    const kept: { record?: RunRecord; evidence: Evidence[]; report?: unknown } = { evidence: [] };
    const sink: EvidenceSink = {
      async write(entry, bytes) {
        const written = {
          ...entry,
          ...(bytes.stdout.length > 0 ? { out: `evidence/${entry.node}/${entry.id}.out` } : {}),
          outBytes: bytes.stdout.length,
          errBytes: bytes.stderr.length,
        };
        kept.evidence.push({ entry: written, ...bytes });
        return written;
      },
      async finish(record, report) {
        kept.record = record;
        kept.report = report;
      },
    };
    const last = { readAtMs: Date.now() - 86_400_000, uptimeSec: 3600, values: { 'TcpExt.ListenOverflows': 1 } };
    const asked = job('web-1', { last });
    const scripted = createScriptedTransport([node('web-1', { overflows: 5007 })]);
    const audit = await auditNode(asked, inventory('web-1'), auditRegistries, ports(scripted, sink), {
      ...options,
      save: true,
    });
    expect(kept.record).toBeDefined();
    if (kept.record === undefined) return;
    expect(judge(kept.record, kept.evidence, auditRegistries)).toEqual(kept.report);
    expect(kept.report).toMatchObject({ verdict: 'found', symptom: { about: 'node' } });
    const again = judgeNode(asked, kept.record, kept.evidence, auditRegistries);
    expect(again.findings).toEqual(audit.findings);
    expect(again.checks).toEqual(audit.checks);
  });

  it('is a result where the node cannot be reached, and where our own code fails', async () => {
    const down = { how: 'notStarted', why: 'unreachable', message: 'web-1 (192.0.2.7:22) did not answer' } as const;
    const transport = createScriptedTransport([{ name: 'web-1', down }]);
    const audit = await auditNode(job('web-1'), inventory('web-1'), auditRegistries, ports(transport), options);
    expect(audit).toMatchObject({
      outcome: 'unreachable',
      why: expect.stringContaining('did not answer'),
      findings: [],
    });
    const broken: NodeTransport = { connect: () => Promise.reject(new Error('a bug')), close: async () => undefined };
    const failed = await auditNode(job('web-1'), inventory('web-1'), auditRegistries, ports(broken), options);
    expect(failed).toMatchObject({ outcome: 'failed', why: expect.stringContaining('a bug') });
  });
});

describe('a whole audit', () => {
  const names = ['web-1', 'web-2', 'web-3', 'web-4', 'web-5'];
  const plan = () =>
    planAudit(
      { id: 'a1', selector: 'web-*', startedAtMs: 0, language: 'en', netcheck: '0.0.0', compareBy: ['role'] },
      { names: () => names, find: async (name) => inventory(name) },
      auditRegistries,
    );
  const run = async (signal: AbortSignal, onNode: (name: string) => void = () => undefined) => {
    const transport = createScriptedTransport(names.map((name) => node(name)));
    return runAudit(await plan(), {
      concurrency: 2,
      last: null,
      signal,
      now: () => 5000,
      onProgress: (event) => {
        if (event.type === 'node') onNode(event.node);
      },
      auditOne: (one) => auditNode(one, inventory(one.node), auditRegistries, ports(transport), { ...options, signal }),
    });
  };

  it('looks at every node and tells as it goes on', async () => {
    const seen: string[] = [];
    const { report, baseline } = await run(options.signal, (name) => seen.push(name));
    expect([...seen].sort()).toEqual(names);
    expect(report).toMatchObject({ verdict: 'found', counts: { nodes: 5, looked: 5, likely: 5 } });
    expect([...baseline.nodes.keys()].sort()).toEqual(names);
  });
  it('tells what it has seen where it is stopped, and what it has not', async () => {
    const stopping = new AbortController();
    const { report } = await run(stopping.signal, () => stopping.abort('cancelled'));
    expect(report.counts.nodes).toBe(5);
    expect(report.counts.looked).toBeGreaterThanOrEqual(1);
    expect(report.counts.failed).toBeGreaterThanOrEqual(2);
    expect(report.unseen.map(({ why }) => why)).toContain('the audit was stopped before this node was looked at');
  });
  it('is refused for a playbook about a port, and for one that is not there', async () => {
    const asked = { id: 'a', selector: '', startedAtMs: 0, language: 'en', netcheck: '0', compareBy: [] } as const;
    const from = { names: () => names, find: async (name: string) => inventory(name) };
    for (const playbook of ['port-check', 'no-such'])
      await expect(planAudit({ ...asked, playbook, compareBy: [] }, from, auditRegistries)).rejects.toMatchObject({
        code: 'audit/no-playbook',
        hint: expect.stringContaining('node-audit'),
      });
  });
});
