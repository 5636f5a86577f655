import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../src/adapters/files/load-run.ts';
import { checkPlugins } from '../src/check-plugins.ts';
import { collectors } from '../src/collectors/index.ts';
import { loadConfig } from '../src/config.ts';
import { judge } from '../src/engine/judge.ts';
import { choosePlaybooks } from '../src/engine/playbook-set.ts';
import { privilegedCommands } from '../src/engine/privileged-commands.ts';
import { parseAsk } from '../src/engine/ask.ts';
import { judgeRecorded } from '../src/judge-recorded.ts';
import { loadRegistries } from '../src/load-registries.ts';
import { parsers } from '../src/parsers/index.ts';
import { rules } from '../src/rules/index.ts';

/** What docs/extending.md shows: real files, loaded as a configuration is, judged as a run is. */
const examples = path.join(import.meta.dirname, '..', 'docs', 'examples');
const loaded = loadConfig(path.join(examples, 'netcheck.yaml'));
const registries = await loadRegistries(loaded);
const playbook = registries.playbooks.get('house-rules');

describe('the examples of docs/extending.md', () => {
  it('are loaded by the configuration: playbook, rule, collector', () => {
    expect(playbook?.rules.map(({ use }) => use)).toEqual([
      'expect',
      'accept-queue-overflow',
      'clock-not-synchronised',
    ]);
    expect(registries.rules.has('clock-not-synchronised')).toBe(true);
    expect(registries.collectors.has('clock-sync')).toBe(true);
    expect(registries.rules.size).toBe(rules.size + 1);
    expect(registries.collectors.size).toBe(collectors.size + 1);
  });

  it('audit a fleet with checks of a team after those of netcheck', () => {
    const own = registries.playbooks.get('node-audit')?.audit;
    const audit = registries.playbooks.get('house-audit')?.audit;
    expect(audit?.rules.map(({ use }) => use)).toEqual(own?.rules.map(({ use }) => use));
    const rule = (id: string) => audit?.rules.find(({ use }) => use === id)?.with;
    expect(rule('keepalive-too-late')).toEqual({ middleboxes: [{ name: 'our load balancer', idleSec: 350 }] });
    const { table } = rule('expect') as { readonly table: readonly { readonly fact: string }[] };
    const facts = table.map(({ fact }) => fact);
    expect(facts).toContain('sysctl:net.ipv4.tcp_timestamps');
    expect(facts.slice(-2)).toEqual(['sysctl:net.ipv4.tcp_slow_start_after_idle', 'sysctl:net.core.somaxconn']);
  });

  it('bring what a rule of netcheck itself has to bring', async () => {
    const { cases, problems } = await checkPlugins(path.join(examples, 'plugins'), { rules, collectors, parsers });
    expect(problems).toEqual([]);
    expect(cases).toBe(5);
  });

  it('give a playbook further words', () => {
    const choose = (words: string) =>
      choosePlaybooks(parseAsk(`node-50 port 1301 ${words}`), registries.playbooks)[0]?.playbook.id;
    expect(choose('the usual 1301 thing')).toBe('port-check');
    expect(choose('baseline')).toBe('house-rules');
    expect(choose('配置基线')).toBe('house-rules');
    expect(registries.playbooks.get('port-check')?.words.zh).toEqual(expect.arrayContaining(['超时', '网关挂了']));
  });

  it('need no root that netcheck does not need without them', () => {
    expect(privilegedCommands(registries.collectors)).toEqual(privilegedCommands(collectors));
  });

  it('judge a recorded run: the table, the rule of the plug-in, the note of the team', async () => {
    const { record, evidence } = await loadRun(
      path.join(import.meta.dirname, 'cases', 'accept-queue-overflow', 'run.tar.gz'),
    );
    const plan = {
      ...record.plan,
      rules: (playbook?.rules ?? []).map(({ use, with: params }) => ({ rule: use, params })),
      remedyNotes: Object.fromEntries([...registries.remedyNotes].map(([rule, notes]) => [rule, [...notes]])),
    };
    const report = judge({ ...record, plan }, evidence, registries);
    const found = (rule: string) => report.findings.filter((one) => one.rule === rule && one.node === 'node-50')[0];

    expect(found('expect')?.verdict).toBe('likely');
    expect(found('expect')?.because.map(({ text }) => text)).toEqual([
      'sysctl:net.core.somaxconn is 4096, expected at least 8192: our gateways open thousands of connections at once',
      expect.stringMatching(
        /^counter:TcpExt\.ListenDrops is \+\d+ in the window, expected at most 0: connects were lost$/,
      ),
    ]);
    // nobody asked chronyc in that run
    expect(found('clock-not-synchronised')).toMatchObject({ verdict: 'unknown' });
    expect(found('accept-queue-overflow')?.remedies.at(-1)).toEqual({
      kind: 'application',
      text: 'Your team\'s note: The gateways read their backlog from gateway.toml; see the runbook "listen queue" before you restart one',
      commands: ['grep -n backlog /etc/gateway/gateway.toml'],
      undo: [],
      risk: 'None: it only looks',
    });
    // the notes are in the record, so a replay elsewhere says the same; in the language of the reader
    const chinese = judge({ ...record, plan, language: 'zh' }, evidence, registries);
    expect(chinese.findings.find(({ rule }) => rule === 'accept-queue-overflow')?.remedies.at(-1)?.text).toMatch(
      /^团队备注：网关的 backlog/,
    );
  });

  it('say nothing beside a rule that does not accuse', () => {
    const report = judgeRecorded(
      {
        target: { name: 'node-50', address: '172.16.0.50' },
        port: 1301,
        rules: [{ rule: 'tw-recycle' }],
        outputs: [],
        remedyNotes: Object.fromEntries([...registries.remedyNotes].map(([rule, notes]) => [rule, [...notes]])),
      },
      registries,
    );
    expect(report.findings.map(({ verdict, remedies }) => [verdict, remedies])).toEqual([['unknown', []]]);
  });
});
