import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import { languages } from '../../src/model/language.ts';
import type { Remedy } from '../../src/model/report.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';
import { auditRemedies, neverRecommend, withoutRemedy } from './audit-remedies.ts';

const remedy = (more: Partial<Remedy>): Remedy => ({
  kind: 'temporary',
  text: 'Mends it',
  commands: [],
  undo: [],
  risk: 'Low',
  ...more,
});
const audit = (rule: string, more: Partial<Remedy>): readonly string[] =>
  auditRemedies(rule, { verdict: 'confirmed', remedies: [remedy(more)] });

/** Every outcome of the builders in facts.ts goes through the same audit, so every rule's own tests hold it. */
describe('the audit of remedies', () => {
  it.each<[string, Partial<Remedy>, string]>([
    ['tw-recycle', { commands: ['sysctl -w net.ipv4.tcp_tw_reuse=1'] }, 'never recommend'],
    ['tw-recycle', { text: 'Set tcp_tw_reuse=1.' }, 'never recommend'],
    ['ipvs-stale-rs', { text: 'Give pods a preStop hook' }, 'never recommend'],
    ['martian-local-source', { text: 'Set accept_local=1' }, 'never recommend'],
    ['forward-policy-drop', { commands: ['iptables -P FORWARD ACCEPT'] }, 'never recommend'],
    ['fw-input-drop', { commands: ['iptables -F'] }, 'never recommend'],
    ['close-wait', { commands: ['sysctl -w net.ipv4.tcp_fin_timeout=5'] }, 'never recommend'],
    ['ipvs-idle-timeout', { commands: ['sysctl -w net.ipv4.tcp_keepalive_time=600'] }, 'never recommend'],
    ['rp-filter-drop', { commands: ['sysctl -w net.ipv4.conf.all.rp_filter=0'] }, 'never recommend'],
    ['path-drop', { risk: '' }, 'does not say its risk'],
    ['path-drop', { text: '' }, 'says nothing'],
    ['path-drop', { undo: ['sysctl -w net.ipv4.ip_forward=0'] }, 'the undo writes net.ipv4.ip_forward'],
    [
      'port-closed',
      { kind: 'permanent', text: 'securityContext.sysctls net.core.somaxconn' },
      'settings of a pod are a Kubernetes remedy',
    ],
    [
      'port-closed',
      { kind: 'kubernetes', text: 'securityContext.sysctls net.core.somaxconn (a safe sysctl)' },
      'is unsafe',
    ],
    [
      'port-closed',
      { kind: 'kubernetes', text: 'securityContext.sysctls net.ipv4.tcp_keepalive_time (a safe sysctl)' },
      'is safe from 1.29 on',
    ],
    [
      'port-closed',
      {
        kind: 'kubernetes',
        text: 'securityContext.sysctls net.ipv4.ip_local_port_range (unsafe: --allowed-unsafe-sysctls)',
      },
      'is a safe sysctl',
    ],
    [
      'port-closed',
      { kind: 'kubernetes', text: 'securityContext.sysctls net.netfilter.nf_conntrack_max' },
      'belongs to the node',
    ],
  ])('%s: catches %o', (rule, more, problem) => {
    expect(audit(rule, more).join('\n')).toContain(problem);
  });

  it('lets pass what says that it is no remedy, and what only puts back', () => {
    expect(audit('tw-recycle', { text: 'Switches it off. tcp_tw_reuse=1 is no remedy' })).toEqual([]);
    expect(
      audit('tw-recycle', {
        commands: ['sysctl -w net.ipv4.tcp_tw_recycle=0'],
        undo: ['sysctl -w net.ipv4.tcp_tw_recycle=1'],
      }),
    ).toEqual([]);
  });

  it('catches a confirmed cause without a remedy', () => {
    expect(auditRemedies('path-drop', { verdict: 'confirmed', remedies: [] })).toHaveLength(1);
    expect(auditRemedies('path-drop', { verdict: 'likely', remedies: [] })).toEqual([]);
  });

  it('names rules that exist, with a reason each', () => {
    const named = [
      ...neverRecommend.flatMap((never) => (never.rules === 'all' ? [] : never.rules)),
      ...Object.keys(withoutRemedy),
    ];
    expect(named.filter((id) => !rules.has(id))).toEqual([]);
    for (const { why, command, sentence } of neverRecommend) {
      expect(why).toMatch(/^F\d/);
      expect(command ?? sentence).toBeDefined();
    }
  });
});

/** Pages of rules are read by the same people at the same time. */
it.each([...rules.keys()])('the page of %s has a remedy', (id) => {
  const page = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'rules', `${id}.md`), 'utf8');
  expect(/## Remedy\n+(\S[^\n]*)/.exec(page)?.[1]).toBeDefined();
});

const cases = path.join(import.meta.dirname, '..', 'cases');
const recorded = readdirSync(cases, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

describe('remedies of recorded runs', () => {
  it.each(recorded)('%s', async (name) => {
    const { record, evidence } = await loadRun(path.join(cases, name, 'run.tar.gz'));
    for (const language of languages) {
      const { findings } = judge({ ...record, language }, evidence, { collectors, parsers, rules });
      const problems = findings.flatMap(({ rule, verdict, remedies }) =>
        verdict === 'unknown' || verdict === 'error'
          ? []
          : auditRemedies(rule, { verdict, remedies }).map((one) => `${rule}: ${one}`),
      );
      expect(problems).toEqual([]);
    }
  });
});
