import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import { evidenceFile } from '../../src/engine/node-session.ts';
import type { Evidence, Exit, Phase } from '../../src/model/evidence.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget, Plan } from '../../src/model/plan.ts';
import type { Report } from '../../src/model/report.ts';
import { runFormat } from '../../src/model/run-record.ts';
import { Symptom } from '../../src/model/symptom.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';
import { capture } from '../packets/build-capture.ts';

const startMs = Date.UTC(2026, 10, 21);
const probesEndMs = startMs + 8000;
const wholeRun = { startedAtMs: startMs, endedAtMs: startMs + 9000 };
const ok: Exit = { how: 'exited', code: 0 };
const stopped: Exit = { how: 'stopped', why: 'windowOver' };
const closingCounts = '8 packets captured\n8 packets received by filter\n0 packets dropped by kernel\n';

interface Output {
  readonly node: string;
  readonly collector: string;
  readonly kind: string;
  readonly phase?: Phase;
  readonly exit?: Exit;
  readonly stdout?: string | Uint8Array;
  readonly stderr?: string;
  readonly endedAtMs?: number;
}

function judged(rule: string, outputs: readonly Output[], ended: 'complete' | 'budget' = 'complete'): Report {
  const symptom = Symptom.parse({ text: 'x', target: { kind: 'node', node: 'node-50' }, port: 1301 });
  const node = (name: string, address: string, role: 'target' | 'client') => ({
    node: InventoryNode.parse({ name, address }),
    roles: [role],
    address,
    why: 'asked',
  });
  const plan = Plan.parse({
    symptom,
    playbooks: ['port-check'],
    targetAddress: '10.0.0.50',
    externalClients: [],
    nodes: [node('node-50', '10.0.0.50', 'target'), node('node-12', '10.0.0.12', 'client')],
    steps: [],
    rules: [{ rule, params: {} }],
    budget: Budget.parse({}),
  });
  const evidence = outputs.map((one, index): Evidence => {
    const stdout = Buffer.from(one.stdout ?? '');
    const stderr = Buffer.from(one.stderr ?? '');
    const id = `${String(index + 1).padStart(2, '0')}-${one.collector}`;
    const entry = {
      id,
      node: one.node,
      collector: one.collector,
      phase: one.phase ?? 'during',
      kind: one.kind,
      argv: [one.kind === 'pcap' ? 'tcpdump' : one.kind],
      privilege: 'none' as const,
      startedAtMs: startMs,
      endedAtMs: one.endedAtMs ?? probesEndMs + 500,
      exit: one.exit ?? ok,
      ...(stdout.length > 0 ? { out: evidenceFile(one.node, id, one.kind) } : {}),
      outBytes: stdout.length,
      errBytes: stderr.length,
    };
    return { entry, stdout, stderr };
  });
  const record = {
    format: runFormat,
    id: 'r',
    netcheck: '0',
    language: 'en',
    plan,
    clockOffsetsMs: {},
    ended,
  } as const;
  return judge({ ...record, ...wholeRun }, evidence, { collectors, parsers, rules });
}

describe('a capture of the target that does not reach to the end of the window', () => {
  /** Eight connects, three SYNs each, none answered. */
  const sent = capture({ linkType: 276 });
  for (let connect = 0; connect < 8; connect++)
    for (const afterMs of [0, 1000, 3000])
      sent.syn({
        from: `10.0.0.12:${40_000 + connect}`,
        to: '10.0.0.50:1301',
        atMs: startMs + connect * 100 + afterMs,
        seq: 1000 + connect,
        tsval: 5000 + connect,
        direction: 'out',
      });
  const listening = 'tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 160 bytes\n';
  const run = (target: Partial<Output>): Report =>
    judged('path-drop', [
      {
        node: 'node-12',
        collector: 'capture',
        kind: 'pcap',
        stdout: sent.bytes(),
        stderr: listening + closingCounts,
        exit: stopped,
      },
      {
        node: 'node-12',
        collector: 'tcp-probe',
        kind: 'tcp-probe',
        stdout: Array.from({ length: 8 }, (_, i) => `attempt ${i + 1} 1.0 5.0 124 \n`).join(''),
        endedAtMs: probesEndMs,
      },
      {
        node: 'node-50',
        collector: 'capture',
        kind: 'pcap',
        stdout: capture({ linkType: 276 }).bytes(),
        stderr: listening + closingCounts,
        exit: stopped,
        ...target,
      },
    ]);

  it('is no witness for packets that it did not see, unlike one that does', () => {
    expect(run({}).findings[0]).toMatchObject({ rule: 'path-drop', verdict: 'confirmed' });
  });

  it.each<[string, Partial<Output>]>([
    [
      'the connection was lost',
      { exit: { how: 'connectionLost', message: 'The connection to node-50 was lost while tcpdump ran: cut.' } },
    ],
    ['its packet limit was reached', { exit: ok }],
    ['its byte limit was reached', { exit: { how: 'tooMuchOutput', keptBytes: 24 } }],
    ['it was killed', { exit: { how: 'signalled', signal: 'KILL' } }],
  ])('%s: path-drop is unknown, and the report is not green and not red', (_why, end) => {
    const report = run({ ...end, endedAtMs: startMs + 400, stderr: listening });
    expect(report.findings[0]).toMatchObject({
      verdict: 'unknown',
      missing: [{ fact: 'capture', node: 'node-50', why: expect.stringContaining('may end before the probes did') }],
    });
    expect(report.verdict).toBe('inconclusive');
  });

  it('that was stopped, and whose closing counts never came, is no witness either: the network swallowed them', () => {
    expect(run({ stderr: listening }).findings[0]).toMatchObject({ verdict: 'unknown' });
  });

  it('that ended by itself after the probes is a witness', () => {
    expect(run({ exit: ok }).findings[0]).toMatchObject({ verdict: 'confirmed' });
  });

  it('is named among what could not be seen where the connection was lost', () => {
    const message = 'The connection to node-50 was lost while tcpdump ran: cut.';
    expect(run({ exit: { how: 'connectionLost', message }, endedAtMs: startMs }).unseen).toContain(message);
  });
});

describe('a firewall of which one tool broke', () => {
  const rulesOf = (phase: Phase, packets: number): Output => ({
    node: 'node-50',
    collector: 'firewall',
    kind: 'iptables-save',
    phase,
    stdout: `*filter\n:INPUT ACCEPT [${packets}:100]\nCOMMIT\n`,
  });
  const nft = (phase: Phase, exit: Exit): Output => ({
    node: 'node-50',
    collector: 'firewall',
    kind: 'nft-json',
    phase,
    exit,
    stdout: exit.how === 'exited' ? '{"nftables": [{"metainfo": {"version": "1.0.6"}}]}' : '{"nftab',
  });
  const verdict = (...outputs: readonly Output[]): unknown => judged('fw-input-drop', outputs).findings[0];

  it.each<[string, Exit]>([
    ['timed out', { how: 'timedOut', afterMs: 15_000 }],
    ['printed too much', { how: 'tooMuchOutput', keptBytes: 7 }],
    ['was refused by sudo', { how: 'notStarted', why: 'sudo', message: 'sudo refused nft' }],
    ['failed', { how: 'exited', code: 1 }],
  ])('%s: the rules of the other tools do not clear it', (_how, exit) => {
    const broken = { ...nft('before', exit), stdout: '' };
    expect(verdict(rulesOf('before', 1), broken, rulesOf('after', 1), { ...broken, phase: 'after' })).toMatchObject({
      verdict: 'unknown',
      missing: [{ fact: 'firewall', why: expect.stringContaining('nft') }],
    });
  });

  it.each<[string, Exit]>([
    ['is not installed', { how: 'notStarted', why: 'toolMissing', message: 'nft is not installed' }],
    ['would load its module, so that there are no rules in it', { how: 'skipped', why: 'would load nf_tables' }],
    ['printed its rules', ok],
  ])('%s: the other tools have said it all', (_how, exit) => {
    const outputs = (['before', 'after'] as const).flatMap((phase) => [rulesOf(phase, 1), nft(phase, exit)]);
    expect(verdict(...outputs)).toMatchObject({ verdict: 'ruledOut' });
  });

  it('only in the second reading: the first one counts', () => {
    const outputs = [rulesOf('before', 1), nft('before', ok), rulesOf('after', 9)];
    expect(verdict(...outputs, nft('after', { how: 'timedOut', afterMs: 15_000 }))).toMatchObject({
      verdict: 'ruledOut',
      because: [{ evidence: 'evidence/node-50/01-firewall.out' }],
    });
  });
});

describe('a node whose first look never came back', () => {
  it('is one that could not be looked at, with the reason for every rule', () => {
    const report = judged('port-closed', [
      { node: 'node-50', collector: 'look', kind: 'look', phase: 'look', exit: { how: 'timedOut', afterMs: 10_000 } },
    ]);
    expect(report.unseen[0]).toBe('netcheck could not look at node-50: look did not finish within 10 s');
    expect(report.findings[0]).toMatchObject({ verdict: 'unknown', missing: [{ fact: 'listeners' }] });
    expect(report.verdict).toBe('inconclusive');
  });

  it('is not blamed on missing traffic where the time of the run was over', () => {
    const report = judged('port-closed', [], 'budget');
    expect(report.unseen).toEqual(['the time for this run was over before everything was read']);
  });
});

describe('what could be taken for clear and is not', () => {
  const uname: Output = { node: 'node-50', collector: 'kernel', kind: 'uname', stdout: '6.1.0\n' };

  it('names a rule that this version does not have', () => {
    const report = judged('rule-of-tomorrow', [uname]);
    expect(report.verdict).toBe('inconclusive');
    expect(report.unseen).toContain('this version of netcheck has no rule rule-of-tomorrow, so it was not judged');
  });

  it.each<[string, Exit, string]>([
    ['timed out', { how: 'timedOut', afterMs: 17_000 }, 'tcp-probe did not finish within 17 s'],
    ['had nothing to connect with', { how: 'exited', code: 127 }, 'tcp-probe ended with status 127: no bash'],
  ])('says that probes %s, whatever the attempts that came said', (_title, exit, why) => {
    const report = judged('path-drop', [
      uname,
      {
        node: 'node-12',
        collector: 'tcp-probe',
        kind: 'tcp-probe',
        stdout: 'attempt 1 1.0 1.1 0 \n',
        stderr: 'no bash\n',
        exit,
      },
    ]);
    const [said] = report.unseen.filter((sentence) => sentence.startsWith('the probes from node-12 are not complete'));
    expect(said).toContain(why);
    expect(report.verdict).toBe('inconclusive');
  });

  it('reads the 100th command of a node as later than the 11th', () => {
    const fill: readonly Output[] = Array.from({ length: 110 }, () => uname);
    const routes = (text: string): Output => ({ node: 'node-50', collector: 'kernel', kind: 'uname', stdout: text });
    const outputs = [...fill.slice(0, 105), routes('9.9.9\n')];
    expect(judged('path-drop', outputs).nodes[0]?.kernel).toBe('9.9.9');
  });
});

describe('a namespace that is looked for again at the end', () => {
  const look = 'netns net:[4026532281] 4321 183204 net:[4026531840]\n';
  const unseen = (again: Partial<Output>): string | undefined =>
    judged('port-closed', [
      { node: 'node-50', collector: 'netns', kind: 'netns', stdout: look },
      { node: 'node-50', collector: 'netns', kind: 'netns', phase: 'after', ...again },
    ]).nodes[0]?.unseen;

  it('is told as gone where its process has ended or another one has its pid, not where the look was cut short', () => {
    expect(unseen({ stdout: look })).toBeUndefined();
    expect(unseen({ exit: { how: 'exited', code: 1 }, stderr: 'there is no process 4321\n' })).toMatch(
      /ended during the run/,
    );
    expect(unseen({ stdout: look.replace('183204', '999999') })).toMatch(/ended during the run/);
    expect(unseen({ exit: { how: 'timedOut', afterMs: 10_000 } })).toMatch(/netns did not finish within 10 s/);
  });
});
