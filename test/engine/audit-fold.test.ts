import { describe, expect, it } from 'vitest';
import { createAuditFold } from '../../src/engine/audit-fold.ts';
import type { AuditBaseline } from '../../src/model/audit-baseline.ts';
import { type AuditHead, AuditReport } from '../../src/model/audit-report.ts';
import { auditFingerprint } from '../../src/model/fingerprint.ts';
import type { NodeAudit } from '../../src/model/node-audit.ts';

const head = (id: string, startedAtMs: number): AuditHead => ({
  id,
  playbook: 'node-audit',
  selector: '',
  startedAtMs,
  language: 'en',
  netcheck: '0.0.0',
  compareBy: ['role'],
});

/** A node on which these checks accuse, and these could not tell. */
function looked(
  node: string,
  {
    accused = [],
    unknown = [],
    facts = {},
    labels = {},
    confirmed = [],
  }: {
    accused?: readonly string[];
    confirmed?: readonly string[];
    unknown?: readonly string[];
    facts?: Readonly<Record<string, string>>;
    labels?: Readonly<Record<string, string>>;
  } = {},
): NodeAudit {
  const verdictOf = (check: string) =>
    confirmed.includes(check)
      ? ('confirmed' as const)
      : accused.includes(check)
        ? ('likely' as const)
        : unknown.includes(check)
          ? ('unknown' as const)
          : ('ruledOut' as const);
  const all = ['mtu', 'dns', 'arp', ...accused, ...confirmed, ...unknown];
  return {
    node,
    labels,
    outcome: 'looked',
    kernel: '6.1.0',
    startedAtMs: 1000,
    tookMs: 20,
    checks: Object.fromEntries(
      all.map((check) => [check, { rule: check, title: `Title of ${check}`, verdict: verdictOf(check) }]),
    ),
    findings: [...confirmed, ...accused].map((check) => ({
      rule: check,
      verdict: confirmed.includes(check) ? 'confirmed' : 'likely',
      node,
      title: `Title of ${check}`,
      because: [{ text: 'because', evidence: `evidence/${node}/01-x.out` }],
      remedies: [],
      missing: [],
      check,
      fingerprint: auditFingerprint(check, node),
    })),
    unknown: unknown.map((check) => ({ check, why: 'sudo refused' })),
    facts,
    counters: { readAtMs: 1000, uptimeSec: 50, values: { 'TcpExt.ListenDrops': 3 } },
  };
}

function unreachable(node: string): NodeAudit {
  const nothing = { labels: {}, checks: {}, findings: [], unknown: [], facts: {} };
  return { node, outcome: 'unreachable', why: 'no route to host', startedAtMs: 1000, tookMs: 5, ...nothing };
}

function audited(nodes: readonly NodeAudit[], last: AuditBaseline | null = null, id = 'a', atMs = 1_000_000) {
  const fold = createAuditFold(head(id, atMs), last);
  for (const node of nodes) fold.addNode(node);
  const result = fold.finish(atMs + 1000);
  expect(AuditReport.parse(result.report)).toEqual(result.report);
  return result;
}

const fleet = (count: number, facts: (index: number) => Readonly<Record<string, string>>): NodeAudit[] =>
  Array.from({ length: count }, (_, index) => looked(`node-${index + 1}`, { facts: facts(index + 1) }));

describe('the verdict of an audit', () => {
  it('is clear where all was looked at and nothing is wrong', () => {
    const { report } = audited([looked('a'), looked('b')]);
    expect(report.verdict).toBe('clear');
    expect(report.headline).toBe('Nothing risky was found on 2 nodes');
    expect(report.counts).toMatchObject({ nodes: 2, looked: 2, likely: 0, unknown: 0 });
  });
  it('is inconclusive with a node that could not be reached, and says why', () => {
    const { report } = audited([looked('a'), unreachable('b')]);
    expect(report.verdict).toBe('inconclusive');
    expect(report.headline).toContain('1 of 2 nodes');
    expect(report.unseen).toEqual([{ why: 'no route to host', checks: [], nodes: 1, examples: ['b'] }]);
  });
  it('is inconclusive with a check that could not tell', () => {
    const { report } = audited([looked('a', { unknown: ['dns', 'arp'] }), looked('b', { unknown: ['dns'] })]);
    expect(report.verdict).toBe('inconclusive');
    expect(report.unseen).toEqual([{ why: 'sudo refused', checks: ['arp', 'dns'], nodes: 2, examples: ['a', 'b'] }]);
  });
  it('tells a reason that names its node once for all of them', () => {
    const { report } = audited(
      ['a', 'b'].map((node) => ({ ...unreachable(node), why: `${node} (10.0.0.7:22) did not answer.` })),
    );
    expect(report.unseen).toEqual([{ why: 'did not answer.', checks: [], nodes: 2, examples: ['a', 'b'] }]);
  });
  it('says that nobody could be looked at', () => {
    expect(audited([unreachable('b')]).report.headline).toBe(
      'None of the 1 nodes could be looked at: no route to host',
    );
  });
  it('is found with a finding, confirmed ones first', () => {
    const { report } = audited([
      looked('a', { accused: ['mtu'] }),
      looked('b', { confirmed: ['dns'] }),
      unreachable('c'),
    ]);
    expect(report.verdict).toBe('found');
    expect(report.findings.map(({ fingerprint }) => fingerprint)).toEqual(['dns/b/audit', 'mtu/a/audit']);
    expect(report.headline).toBe('2 findings on 2 of 2 nodes; first: Title of dns on b');
    expect(report.checks.map(({ check }) => check)).toEqual(['dns', 'mtu', 'arp']);
    expect(report.nodes.map(({ name, open }) => [name, open])).toEqual([
      ['a', { mtu: 'likely' }],
      ['b', { dns: 'confirmed' }],
      ['c', {}],
    ]);
  });
  it('is the same in whatever order nodes come in, and where one comes in twice', () => {
    const nodes = [
      looked('a', { accused: ['mtu'], facts: { x: '1' } }),
      looked('b', { confirmed: ['dns'], unknown: ['arp'], facts: { x: '1' } }),
      unreachable('c'),
      ...fleet(9, (n) => ({ x: n === 3 ? '2' : '1' })),
    ];
    const forwards = audited(nodes).report;
    expect(audited([...nodes].reverse()).report).toEqual(forwards);
    expect(audited([...nodes, ...nodes]).report).toEqual(forwards);
  });
});

describe('outliers', () => {
  it('are the few that differ from nearly all, and the risky ones make it found', () => {
    const { report } = audited(
      fleet(45, (n) => ({ 'net.core.somaxconn': n === 7 ? '128' : n === 31 ? '1024' : '4096', kernel: '6.1' })),
    );
    expect(report.verdict).toBe('found');
    expect(report.outliers).toEqual([
      {
        fact: 'net.core.somaxconn',
        group: '',
        value: '4096',
        nodes: 43,
        of: 45,
        severity: 'risk',
        text: 'net.core.somaxconn is 4096 on 43 of 45 nodes; 128 on node-7; 1024 on node-31',
        differing: [
          { value: '128', nodes: 1, examples: ['node-7'] },
          { value: '1024', nodes: 1, examples: ['node-31'] },
        ],
      },
    ]);
    expect(report.headline).toBe(report.outliers[0]?.text);
    expect(report.nodes.filter(({ differs }) => differs.length > 0).map(({ name }) => name)).toEqual([
      'node-7',
      'node-31',
    ]);
    expect(report.normal.map(({ fact, nodes, of }) => [fact, nodes, of])).toEqual([
      ['kernel', 45, 45],
      ['net.core.somaxconn', 43, 45],
    ]);
  });
  it('are not the two halves of a fleet', () => {
    const { report } = audited(fleet(40, (n) => ({ 'net.core.somaxconn': n % 2 === 0 ? '128' : '4096' })));
    expect(report.outliers).toEqual([]);
    expect(report.normal).toEqual([]);
    expect(report.verdict).toBe('clear');
  });
  it('need a crowd to differ from', () => {
    expect(audited(fleet(3, (n) => ({ 'mtu of vxlan': n === 1 ? '1450' : '1500' }))).report.outliers).toEqual([]);
  });
  it('are no news where the difference is harmless', () => {
    const { report } = audited(fleet(10, (n) => ({ kernel: n === 1 ? '5.10' : '6.1' })));
    expect(report.outliers.map(({ severity }) => severity)).toEqual(['note']);
    expect(report.verdict).toBe('clear');
  });
  it('compare a role with the same role', () => {
    const role = (name: string, count: number, value: string): NodeAudit[] =>
      Array.from({ length: count }, (_, n) =>
        looked(`${name}-${n}`, { labels: { role: name }, facts: { 'mtu of ethernet': n === 0 ? '1400' : value } }),
      );
    const { report } = audited([...role('web', 8, '1500'), ...role('storage', 8, '9000')]);
    expect(report.outliers.map(({ group, value, differing }) => [group, value, differing[0]?.examples])).toEqual([
      ['role=storage', '9000', ['storage-0']],
      ['role=web', '1500', ['web-0']],
    ]);
    expect(report.outliers[0]?.text).toBe(
      'mtu of ethernet is 9000 on 7 of 8 nodes with role=storage; 1400 on storage-0',
    );
  });
  it('do not compare a role of which there are few with other roles', () => {
    const nodes = [
      ...Array.from({ length: 8 }, (_, n) =>
        looked(`web-${n}`, { labels: { role: 'web' }, facts: { 'mtu of ethernet': '1500' } }),
      ),
      ...Array.from({ length: 3 }, (_, n) =>
        looked(`db-${n}`, { labels: { role: 'db' }, facts: { 'mtu of ethernet': '1500' } }),
      ),
      looked('storage-1', { labels: { role: 'storage' }, facts: { 'mtu of ethernet': '9000' } }),
    ];
    expect(audited(nodes).report.outliers).toEqual([]);
  });
  it('are not made of what is different everywhere', () => {
    const { report } = audited(fleet(200, (n) => ({ 'search domains': n > 100 ? `d${n}` : 'same' })));
    expect(report.outliers).toEqual([]);
  });
  it('name a few, and count the others', () => {
    const { report } = audited(
      fleet(100, (n) => ({ 'mtu of ethernet': n <= 20 ? '1400' : n <= 24 ? `${n}` : '1500' })),
    );
    expect(report.outliers[0]?.text).toBe(
      'mtu of ethernet is 1500 on 76 of 100 nodes; 1400 on node-1, node-2, node-3, node-4, node-5 and 15 more; 21 on node-21; 22 on node-22; 2 other values on 2 nodes',
    );
  });
});

describe('what has changed since the audit before', () => {
  const day = 86_400_000;
  const first = audited([looked('a', { accused: ['mtu'] }), looked('b', { accused: ['dns'] }), looked('c')]);

  it('is nothing in the first audit of all', () => {
    expect(first.report.changes).toEqual([]);
    expect(first.report.previous).toBeUndefined();
  });
  it('is new, gone, and still with when it was first seen', () => {
    const second = audited(
      [looked('a', { accused: ['mtu'] }), looked('b'), looked('c', { accused: ['arp'] })],
      first.baseline,
      'b',
      1_000_000 + day,
    );
    expect(second.report.previous).toEqual({ id: 'a', startedAt: new Date(1_000_000).toISOString() });
    expect(second.report.changes.map(({ kind, fingerprint, firstSeenMs }) => [kind, fingerprint, firstSeenMs])).toEqual(
      [
        ['new', 'arp/c/audit', 1_000_000 + day],
        ['gone', 'dns/b/audit', 1_000_000],
        ['still', 'mtu/a/audit', 1_000_000],
      ],
    );
    expect(second.report.counts).toMatchObject({ new: 1, gone: 1, still: 1 });
    const third = audited([looked('a', { accused: ['mtu'] })], second.baseline, 'c', 1_000_000 + 2 * day);
    expect(third.report.changes.map(({ kind, firstSeenMs }) => [kind, firstSeenMs])).toEqual([['still', 1_000_000]]);
  });
  it('is not told of a node that could not be reached, and its findings are remembered', () => {
    const second = audited([unreachable('a'), looked('b'), looked('c')], first.baseline, 'b', 1_000_000 + day);
    expect(second.report.changes.map(({ fingerprint }) => fingerprint)).toEqual(['dns/b/audit']);
    const third = audited([looked('a', { accused: ['mtu'] })], second.baseline, 'c', 1_000_000 + 2 * day);
    expect(third.report.changes.map(({ kind, firstSeenMs }) => [kind, firstSeenMs])).toEqual([['still', 1_000_000]]);
    expect(second.baseline.nodes.get('a')?.lookedAtMs).toBe(1000);
  });
  it('is not told of a check that could not tell this time', () => {
    const second = audited([looked('a', { unknown: ['mtu'] })], first.baseline, 'b', 1_000_000 + day);
    expect(second.report.changes).toEqual([]);
    const third = audited([looked('a')], second.baseline, 'c', 1_000_000 + 2 * day);
    expect(third.report.changes.map(({ kind }) => kind)).toEqual(['gone']);
  });
});

describe('a node that begins to differ', () => {
  const of = (value: (index: number) => string | undefined): NodeAudit[] =>
    fleet(10, (n) => {
      const mtu = value(n);
      return mtu === undefined ? {} : { 'mtu of vxlan': mtu };
    });
  const first = audited(of(() => '1450'));
  const second = audited(
    of((n) => (n === 3 ? '1500' : '1450')),
    first.baseline,
    'b',
    2_000_000,
  );
  const changesOf = (result: typeof first): unknown =>
    result.report.changes.map(({ kind, node, rule, title, firstSeenMs }) => [kind, node, rule, title, firstSeenMs]);
  const title = 'mtu of vxlan is 1500, on nearly all others 1450';

  it('is new, then still there, then gone', () => {
    expect(changesOf(second)).toEqual([['new', 'node-3', 'outlier', title, 2_000_000]]);
    const third = audited(
      of((n) => (n === 3 ? '1500' : '1450')),
      second.baseline,
      'c',
      3_000_000,
    );
    expect(changesOf(third)).toEqual([['still', 'node-3', 'outlier', title, 2_000_000]]);
    expect(
      changesOf(
        audited(
          of(() => '1450'),
          third.baseline,
          'd',
          4_000_000,
        ),
      ),
    ).toEqual([['gone', 'node-3', 'outlier', title, 2_000_000]]);
  });
  it('is not gone while the fact could not be read there', () => {
    const third = audited(
      of((n) => (n === 3 ? undefined : '1450')),
      second.baseline,
      'c',
      3_000_000,
    );
    expect(changesOf(third)).toEqual([]);
    const fourth = audited(
      of((n) => (n === 3 ? '1500' : '1450')),
      third.baseline,
      'd',
      4_000_000,
    );
    expect(changesOf(fourth)).toEqual([['still', 'node-3', 'outlier', title, 2_000_000]]);
  });
  it('is no news where the difference is harmless', () => {
    const kernels = (odd: string): NodeAudit[] => fleet(10, (n) => ({ kernel: n === 3 ? odd : '6.1' }));
    expect(changesOf(audited(kernels('5.10'), audited(kernels('6.1')).baseline, 'b', 2_000_000))).toEqual([]);
  });
});

describe('the bounds of an audit', () => {
  it('hold for a large fleet: all is counted, the worst is kept word for word', () => {
    const nodes = Array.from({ length: 2500 }, (_, n) =>
      looked(`n${n}`, n === 2499 ? { confirmed: ['dns'] } : { accused: ['mtu'], facts: { own: `${n}` } }),
    );
    const { report } = audited(nodes);
    expect(report.counts).toMatchObject({ nodes: 2500, confirmed: 1, likely: 2499 });
    expect(report.findings).toHaveLength(2000);
    expect(report.findings[0]?.fingerprint).toBe('dns/n2499/audit');
    expect(report.outliers).toEqual([]);
  });
});
