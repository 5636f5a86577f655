import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultProblems, readFaults } from '../docs/faults-page.ts';
import { collectors } from '../src/collectors/index.ts';
import { exampleParams } from '../src/engine/command-shapes.ts';
import { readPlaybooks } from '../src/load-playbooks.ts';
import type { Command } from '../src/model/command.ts';
import { parsers } from '../src/parsers/index.ts';
import { caseProblems, factProblems, originProblems, pageProblems, textProblems } from '../src/rule-conventions.ts';
import { rules } from '../src/rules/index.ts';

const root = path.join(import.meta.dirname, '..');
const read = (...parts: readonly string[]): string => readFileSync(path.join(root, ...parts), 'utf8');

/** What a rule has to bring with it, as sentences about what is missing. */
function missingOf(id: string, page: string, test: string): readonly string[] {
  const names = [...test.matchAll(/['"`]((?:fires|stays silent|missing evidence): )/g)].map((match) => match[1] ?? '');
  return [...pageProblems(id, page), ...caseProblems(names)];
}

describe.each([...rules.values()].map((rule) => ({ id: rule.id, rule })))('rule $id', ({ id, rule }) => {
  it('has code, page, and the three kinds of cases', () => {
    for (const file of [`src/rules/${id}.ts`, `docs/rules/${id}.md`, `test/rules/${id}.test.ts`])
      expect(existsSync(path.join(root, file)), file).toBe(true);
    expect(missingOf(id, read('docs', 'rules', `${id}.md`), read('test', 'rules', `${id}.test.ts`))).toEqual([]);
  });

  it('speaks English and Chinese with the same keys', () => {
    expect(textProblems(rule)).toEqual([]);
  });

  it('needs and reads only facts that a collector gives', () => {
    expect(factProblems(rule, collectors)).toEqual([]);
  });

  it('says where its knowledge comes from', () => {
    expect(originProblems(rule)).toEqual([]);
  });
});

describe('the rule conventions', () => {
  it('look at every rule file', () => {
    expect(rules.size).toBeGreaterThanOrEqual(11);
    const defined = readdirSync(path.join(root, 'src', 'rules')).filter((file) =>
      /define(Node|Path|Capture)Rule\(/.test(read('src', 'rules', file)),
    );
    expect(defined.map((file) => file.replace(/\.ts$/, '')).sort()).toEqual([...rules.keys()].sort());
  });
  it('catch a rule without a page, and one without a silent case', () => {
    expect(missingOf('x', '', '')).toHaveLength(8);
    expect(
      missingOf(
        'x',
        '# x\n## What decides it\n## Remedy\n## False positives\n## Sources',
        "'fires: a' 'missing evidence: b'",
      ),
    ).toEqual(['no case "stays silent: …"']);
  });
});

describe('the list of faults', () => {
  it('has a rule or a reason for every fault, and every fault that a rule names', () => {
    expect(readFaults().length).toBeGreaterThanOrEqual(80);
    expect(faultProblems(readFaults(), [...rules.values()])).toEqual([]);
  });
  it('catches a fault without either, one that stands twice, and a rule that names another', () => {
    const faults = [
      { id: 'F01', name: 'a' },
      { id: 'F02', name: 'b', why: 'nothing of it can be seen' },
      { id: 'F03', name: 'c', why: 'nothing of it can be seen' },
      { id: 'F04', name: 'd', why: 'nothing of it can be seen' },
      { id: 'F04', name: 'd', why: 'nothing of it can be seen' },
    ];
    const named = ['F03', 'F99', '-'].map((fault) => ({ id: `of-${fault}`, fault }));
    expect(faultProblems(faults, named)).toEqual([
      'F01 has neither a rule nor a reason why not (docs/faults.yaml)',
      'F03 has a rule, and docs/faults.yaml still says why it has none: take that line out',
      'F04 twice',
      'the rule of-F99 names F99, which is not in docs/faults.yaml',
    ]);
  });
});

describe('collectors', () => {
  it('are read by a parser that exists', () => {
    const kinds = new Set<string>();
    for (const collector of collectors.values()) {
      const params = collector.params.safeParse({});
      const context = {
        target: '192.0.2.1',
        port: 80,
        protocol: 'tcp',
        clientAddresses: [],
        ownAddresses: [],
        roles: ['target'],
        targetNames: ['node-50'],
        learned: {
          devices: ['eth0'],
          veths: [],
          addressed: ['eth0'],
          ways: [{ address: '198.51.100.7', device: 'eth0' }],
          listenerPids: ['4711'],
          servers: [],
          beyond: [],
          seen: [],
          tunnelPeers: ['198.51.100.8'],
          searchDomains: ['corp.example'],
        },
        budget: { wallMs: 1, windowMs: 1, maxPackets: 1, maxCaptureBytes: 1, maxOutputBytes: 1 },
      } as const;
      for (const first of collector.commands(params.success ? params.data : exampleParams[collector.id], context))
        for (let command: Command | undefined = first; command; command = command.otherwise) kinds.add(command.kind);
    }
    expect(kinds.size).toBeGreaterThan(10);
    expect([...kinds].filter((kind) => kind !== 'pcap' && !parsers.has(kind))).toEqual([]);
  });
});

describe('playbooks', () => {
  it('are all in order', () => {
    const { playbooks, problems } = readPlaybooks([], { collectors, rules });
    expect(problems).toEqual([]);
    expect([...playbooks.keys()]).toContain('port-check');
  });
  it('use every rule but the table-driven one somewhere', () => {
    const used = new Set(
      [...readPlaybooks([], { collectors, rules }).playbooks.values()].flatMap((playbook) =>
        [...playbook.rules, ...(playbook.audit?.rules ?? [])].map((rule) => rule.use),
      ),
    );
    // a rule on packets alone is asked by `netcheck pcap`, whatever the playbooks say
    const asked = [...rules.values()].filter(({ id, scope }) => id !== 'expect' && scope !== 'capture');
    expect(asked.map(({ id }) => id).filter((id) => !used.has(id))).toEqual([]);
  });
});

describe('zod', () => {
  it('is imported as a namespace everywhere, so that the bundle of `netcheck pcap` leaves out what is not used', () => {
    const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
    const otherwise = files.filter(
      (file) =>
        file.endsWith('.ts') && /^import (?!(type )?\* as z from).* from 'zod';/m.test(read('src', ...file.split('/'))),
    );
    expect(otherwise, "import * as z from 'zod'").toEqual([]);
  });
});
