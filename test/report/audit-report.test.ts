import { describe, expect, it } from 'vitest';
import { createAuditFold } from '../../src/engine/audit-fold.ts';
import type { AuditBaseline } from '../../src/model/audit-baseline.ts';
import { AuditReport } from '../../src/model/audit-report.ts';
import { auditFingerprint } from '../../src/model/fingerprint.ts';
import type { Language } from '../../src/model/language.ts';
import type { NodeAudit } from '../../src/model/node-audit.ts';
import { withoutAnsi } from '../../src/report/ansi.ts';
import { renderAuditCsv } from '../../src/report/audit-csv.ts';
import { renderAuditHtml } from '../../src/report/audit-html.ts';
import { renderAudit } from '../../src/report/audit-terminal.ts';
import { auditHeatMap } from '../../src/report/audit-view.ts';
import { renderAuditJson } from '../../src/report/json.ts';
import { stringWidth } from '../../src/report/string-width.ts';

const title = 'The MTU of the pod network does not fit';

function nodeOf(index: number, more: Partial<NodeAudit> = {}): NodeAudit {
  const node = `node-${index}`;
  const isBad = index === 7 || index === 12;
  const verdict = isBad ? 'likely' : 'ruledOut';
  return {
    node,
    labels: { role: index % 2 === 0 ? 'db' : 'web' },
    outcome: 'looked',
    kernel: '6.1.0',
    startedAtMs: 0,
    tookMs: 20,
    checks: {
      'cni-mtu-mismatch': { rule: 'cni-mtu-mismatch', title, verdict },
      'arp-overflow': { rule: 'arp-overflow', title: 'The neighbour table is full', verdict: 'ruledOut' },
    },
    findings: isBad
      ? [
          {
            rule: 'cni-mtu-mismatch',
            verdict: 'likely',
            node,
            title,
            because: [
              { text: `flannel.1 has 1500, the card 1500: at most 1450 on ${node}`, evidence: 'evidence/x.out' },
            ],
            remedies: [
              {
                kind: 'temporary',
                node,
                text: 'Makes it smaller at once',
                commands: [`ip link set dev flannel.1 mtu 1450`],
                undo: ['ip link set dev flannel.1 mtu 1500'],
                risk: 'Low',
              },
            ],
            missing: [],
            check: 'cni-mtu-mismatch',
            fingerprint: auditFingerprint('cni-mtu-mismatch', node),
          },
        ]
      : [],
    unknown: [],
    facts: { 'net.core.somaxconn': index === 9 ? '128' : '4096', kernel: '6.1.0' },
    ...more,
  };
}
const away: Partial<NodeAudit> = {
  outcome: 'unreachable',
  why: 'node-20 (10.0.0.20:22) did not answer.',
  checks: {},
  findings: [],
  facts: {},
};

function report(
  language: Language = 'en',
  nodes?: readonly NodeAudit[],
  last: AuditBaseline | null = null,
): AuditReport {
  const head = {
    id: '20261121T024100-abcd',
    playbook: 'node-audit',
    selector: "role in (web,db),team!='x'",
    startedAtMs: Date.UTC(2026, 10, 21, 2, 41),
    language,
    netcheck: '0.1.0',
    compareBy: ['role'],
  };
  const fold = createAuditFold(head, last);
  for (const node of nodes ?? Array.from({ length: 20 }, (_, at) => nodeOf(at + 1, at === 19 ? away : {})))
    fold.addNode(node);
  return fold.finish(head.startedAtMs + 2290).report;
}
const before: AuditBaseline = {
  id: 'yesterday',
  playbook: 'node-audit',
  selector: '',
  startedAtMs: Date.UTC(2026, 10, 20, 2, 41),
  nodes: new Map(
    ['node-7', 'node-8'].map((node) => [
      node,
      {
        node,
        lookedAtMs: 1,
        troubles: [
          {
            fingerprint: auditFingerprint('cni-mtu-mismatch', node),
            rule: 'cni-mtu-mismatch',
            title,
            firstSeenMs: Date.UTC(2026, 10, 19),
          },
        ],
      },
    ]),
  ),
};

/** A node that sends everything that could act somewhere. */
const hostile = '\u001b[2J<script>alert(1)</script>=cmd()|"x", \u202e`<!channel>`';
const hostileReport = (): AuditReport =>
  report('en', [
    ...Array.from({ length: 8 }, (_, at) => nodeOf(at + 20)),
    nodeOf(7, {
      node: 'node-7',
      labels: { role: hostile },
      kernel: hostile,
      facts: { 'net.core.somaxconn': hostile },
      unknown: [{ check: 'arp-overflow', why: hostile }],
      findings: nodeOf(7).findings.map((finding) => ({
        ...finding,
        title: hostile,
        because: [{ text: hostile, evidence: hostile }],
      })),
    }),
    nodeOf(8, { ...away, node: 'node-8', why: hostile }),
  ]);

describe('an audit on the terminal', () => {
  it('says the verdict first, then what changed, the findings with remedies, who differs, who is silent', () => {
    const text = renderAudit(report('en', undefined, before), { width: 100 });
    const places = [
      'FOUND: 2 findings on 2 of 19 nodes; first: The MTU of the pod network does not fit on node-7',
      '20 nodes: 19 looked at, 1 unreachable',
      'since 2026-11-20 02:41 UTC: 2 new, 1 gone, 1 still there',
      '+ new   node-9   net.core.somaxconn is 128, on nearly all others 4096',
      '+ new   node-12  cni-mtu-mismatch',
      '- gone  node-8   cni-mtu-mismatch',
      'likely: The MTU of the pod network',
      'cni-mtu-mismatch · 2 nodes',
      '- node-7: flannel.1 has 1500',
      '      ip link set dev flannel.1 mtu 1450',
      'DIFFER FROM THE OTHERS',
      '- net.core.somaxconn is 4096 on 9 of 10 nodes with role=web; 128 on node-9',
      'node-20  role=db   could not be reached',
      '16 more nodes with nothing to say',
      '- node-20: did not answer.',
      'IN ORDER EVERYWHERE (1 check)',
      String.raw`netcheck audit node-audit --nodes 'role in (web,db),team!='\''x'\'''`,
    ].map((words) => text.indexOf(words));
    expect(places).not.toContain(-1);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });
  it.each([
    ['en', 40],
    ['en', 80],
    ['en', 120],
    ['zh', 80],
    ['zh', 120],
  ] as const)('in %s keeps to %i columns', (language, width) => {
    const lines = renderAudit(report(language, undefined, before), { width, language }).split('\n');
    const long = lines.filter((line) => stringWidth(line) > width && !line.startsWith('      '));
    expect(long).toEqual([]);
  });
  it('has colour only where it is asked for, and the same words with it', () => {
    const plain = renderAudit(report(), { width: 80 });
    const colour = renderAudit(report(), { width: 80, colour: true });
    expect(plain).not.toContain('\u001b');
    expect(colour).toContain('\u001b[');
    expect(withoutAnsi(colour)).toBe(plain);
  });
  it('speaks Chinese', () => {
    const text = renderAudit(report('zh'), { language: 'zh', width: 80 });
    for (const words of ['与其他节点不同', '个节点没有异常', '无法到达', '处处正常']) expect(text).toContain(words);
  });
  it('lets nothing from a node act', () => {
    expect(renderAudit(hostileReport(), { width: 100 })).not.toMatch(/[\u001b\u202e]/);
  });
  it('stays short for a large fleet', () => {
    const many = Array.from({ length: 3000 }, (_, at) =>
      nodeOf(at + 1, { node: `n${at}`, findings: nodeOf(7).findings.map((one) => ({ ...one, node: `n${at}` })) }),
    );
    expect(renderAudit(report('en', many)).split('\n').length).toBeLessThan(250);
  });
});

describe('an audit as CSV', () => {
  it('has a line for each finding, outlier, gone one and node that was not looked at', () => {
    const [header, ...lines] = renderAuditCsv(report('en', undefined, before))
      .trimEnd()
      .split('\r\n');
    expect(header).toBe('kind,node,labels,check,verdict,title,value,usual,because,first_seen');
    expect(lines.map((line) => line.split(',').slice(0, 4).join(' '))).toEqual([
      'finding node-7 role=web cni-mtu-mismatch',
      'finding node-12 role=db cni-mtu-mismatch',
      'outlier (risk) node-9 role=web net.core.somaxconn',
      'gone node-8 role=db cni-mtu-mismatch',
      'unreachable node-20 role=db ',
    ]);
    expect(lines[0]).toContain('2026-11-19T00:00:00.000Z');
  });
  it('is no formula and breaks no line, whatever a node says', () => {
    const text = renderAuditCsv(hostileReport());
    expect(text).not.toMatch(/[\u001b\u202e]/);
    const csv = renderAuditCsv(report('en', [nodeOf(7, { ...away, why: '=HYPERLINK("http://x")' })]));
    expect(csv).toContain(`"'=HYPERLINK(""http://x"")"`);
    for (const line of text.trimEnd().split('\r\n'))
      expect(line.match(/("[^"]*")|,/g)?.filter((one) => one === ',')).toHaveLength(9);
  });
});

describe('an audit as a page', () => {
  it('has the heat map, the findings, every node with something to say, and what is normal', () => {
    const page = renderAuditHtml(report('en', undefined, before));
    for (const words of [
      '<svg',
      'cni-mtu-mismatch',
      'ip link set dev flannel.1 mtu 1450',
      'node-20',
      'all 10',
      'In order everywhere',
    ])
      expect(page).toContain(words);
    expect(page).toContain("default-src 'none'");
  });
  it('has no script and loads nothing, whatever a node says', () => {
    const page = renderAuditHtml(hostileReport());
    expect(page).not.toMatch(/<script|<img|<link|\son\w+=|src=|url\(/i);
    expect(page).toContain('&lt;script&gt;');
  });
  it('shows nodes that were not looked at as not looked at', () => {
    const { columns, rows } = auditHeatMap(report(), 'x');
    expect(columns.map(({ rule }) => rule)).toEqual(['cni-mtu-mismatch', 'arp-overflow']);
    expect(rows.find(({ name }) => name === 'node-20')?.cells).toEqual([null, null]);
    expect(rows.find(({ name }) => name === 'node-7')?.cells).toEqual(['likely', 'ruledOut']);
  });
});

describe('an audit as JSON', () => {
  it('is the report, in the order of its schema, the same for the same', () => {
    const text = renderAuditJson(report());
    expect(AuditReport.parse(JSON.parse(text))).toEqual(report());
    expect(text.startsWith('{\n  "schema": "netcheck/audit/1",\n  "audit": {\n    "id"')).toBe(true);
    expect(renderAuditJson(hostileReport())).not.toMatch(/[\u001b\u202e]/);
  });
});
