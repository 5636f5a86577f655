import type { RunRequest } from '../../../src/engine/ports.ts';
import type { Report } from '../../../src/model/report.ts';

/** A report as the engine makes it, with hostile text where command output and headlines may carry it. */
export function sampleReport(changes: Partial<Report> = {}): Report {
  return {
    schema: 'netcheck/report/1',
    run: {
      id: 'r1',
      startedAt: '2026-01-01T00:00:00.000Z',
      playbooks: ['port-check'],
      language: 'en',
      netcheck: '0.1.0',
    },
    verdict: 'found',
    headline: 'node-50 drops SYNs by TCP timestamp',
    symptom: {
      text: 'node-50 port 1301 from node-12',
      target: { kind: 'node', node: 'node-50' },
      port: 1301,
      protocol: 'tcp',
      from: [{ kind: 'node', node: 'node-12' }],
      via: [],
      words: [],
    },
    nodes: [{ name: 'node-50', roles: ['target'], address: '192.0.2.50' }],
    findings: [
      {
        rule: 'tw-recycle',
        verdict: 'confirmed',
        node: 'node-50',
        title: 'SYNs are dropped by TCP timestamp',
        because: [{ text: 'PAWSPassive went from 10 to 42', evidence: 'evidence/node-50/03-netstat.out', line: 2 }],
        remedies: [],
        missing: [],
      },
    ],
    unseen: [],
    evidence: [],
    timing: { startedAtMs: 0, endedAtMs: 1000, tookMs: 1000 },
    ...changes,
  };
}

/** A run whose status message is `statusTs` in the thread of `rootTs`. */
export function sampleRequest(thread: RunRequest['thread'], changes: Partial<RunRequest> = {}): RunRequest {
  return {
    id: 'run1',
    text: 'node-50 port 1301 from node-12',
    language: 'en',
    askedBy: 'U0ANNA',
    askedAtMs: Date.now(),
    thread,
    ...changes,
  };
}
