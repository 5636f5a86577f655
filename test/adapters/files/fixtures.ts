import type { EvidenceSink } from '../../../src/engine/ports.ts';
import type { EvidenceEntry } from '../../../src/model/evidence.ts';
import { Budget, type Plan } from '../../../src/model/plan.ts';
import type { Report } from '../../../src/model/report.ts';
import { type RunRecord, runFormat } from '../../../src/model/run-record.ts';
import { Symptom } from '../../../src/model/symptom.ts';

const symptom = Symptom.parse({
  text: 'node-50 port 1301 from node-12',
  target: { kind: 'node', node: 'node-50' },
  port: 1301,
});

const planned = (name: string, role: 'target' | 'client'): Plan['nodes'][number] => ({
  node: { name, address: '10.0.0.1', serves: [], port: 22, labels: {}, sudo: false },
  roles: [role],
  address: '10.0.0.1',
  why: 'asked',
});

export const record: RunRecord = {
  format: runFormat,
  id: 'run-1',
  netcheck: '0.1.0',
  language: 'en',
  startedAtMs: 1_000,
  endedAtMs: 9_000,
  plan: {
    symptom,
    playbooks: ['port'],
    choice: [],
    mayJoin: [],
    targetAddress: '10.0.0.1',
    externalClients: [],
    nodes: [planned('node-50', 'target'), planned('node-12', 'client')],
    steps: [],
    rules: [],
    budget: Budget.parse({}),
  },
  clockOffsetsMs: { 'node-50': 12 },
  ended: 'complete',
};

export const report: Report = {
  schema: 'netcheck/report/1',
  run: { id: 'run-1', startedAt: '2026-11-21T04:00:00Z', playbooks: ['port'], language: 'en', netcheck: '0.1.0' },
  verdict: 'clear',
  headline: 'Nothing is wrong.',
  symptom,
  nodes: [],
  findings: [],
  unseen: [],
  evidence: [],
  timing: { startedAtMs: 1_000, endedAtMs: 9_000, tookMs: 8_000 },
};

export type Unwritten = Omit<EvidenceEntry, 'out' | 'err' | 'outBytes' | 'errBytes'>;

export function entry(node: string, id: string, more: Partial<Unwritten> = {}): Unwritten {
  return {
    id,
    node,
    collector: id.replace(/^\d+-/, ''),
    phase: 'once',
    kind: 'sysctl',
    argv: ['sysctl', '-a'],
    privilege: 'none',
    startedAtMs: 1_100,
    endedAtMs: 1_200,
    exit: { how: 'exited', code: 0 },
    ...more,
  };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Every byte there is, behind the magic of a little-endian pcap: nothing may touch it. */
export const packets = Uint8Array.from([0xd4, 0xc3, 0xb2, 0xa1, ...Array.from({ length: 256 }, (_, n) => n)]);

/** Writes the same small run into any sink. */
export async function writeRun(sink: EvidenceSink): Promise<void> {
  await sink.write(entry('node-50', '01-sysctl'), {
    stdout: bytes('net.ipv4.tcp_tw_recycle = 1\n'),
    stderr: bytes(''),
  });
  await sink.write(entry('node-50', '02-capture', { kind: 'pcap', phase: 'during' }), {
    stdout: packets,
    stderr: bytes('listening on eth0\n'),
  });
  await sink.write(entry('node-12', '01-probe', { kind: 'probe', exit: { how: 'timedOut', afterMs: 100 } }), {
    stdout: bytes(''),
    stderr: bytes(''),
  });
  // A node that joined on the way: it is not in the plan.
  await sink.write(entry('node-30', '01-ipvs', { kind: 'ipvsadm' }), {
    stdout: bytes('password=hunter2 10.0.0.1\n'),
    stderr: bytes(''),
  });
  await sink.finish(record, report);
}
