import * as fc from 'fast-check';
import type { EvidenceEntry } from '../../src/model/evidence.ts';
import type { Report } from '../../src/model/report.ts';
import { hostileText } from './fixtures.ts';

/** Text as the worst of hosts would print it. */
export const nastyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(
    '',
    ' ',
    hostileText.slice(0, 700),
    '<!channel>',
    '\u001b[2J',
    '\u009b31m',
    '```\n<!here>',
    '&lt;&amp;',
    '全连接队列溢出，队列上限（511）。'.repeat(20),
    'x'.repeat(1500),
    '<'.repeat(900),
    '"\\\n'.repeat(300),
    'a b '.repeat(400),
  ),
);

const line = fc.option(fc.integer({ min: 1, max: 99_999 }), { nil: undefined });
const withoutUndefined = <Value extends object>(value: Value): Value =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Value;

const because = fc.record({ text: nastyText, evidence: nastyText, line }).map(withoutUndefined);

const remedy = fc
  .record({
    kind: fc.constantFrom('temporary' as const, 'permanent' as const, 'kubernetes' as const, 'application' as const),
    node: fc.option(nastyText, { nil: undefined }),
    text: fc.option(nastyText, { nil: undefined }),
    commands: fc.array(nastyText, { maxLength: 4 }),
    undo: fc.array(nastyText, { maxLength: 3 }),
    risk: nastyText,
    manifest: fc.option(fc.record({ file: nastyText, yaml: nastyText }), { nil: undefined }),
  })
  .map(withoutUndefined);

const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });
const device = fc
  .record({
    device: nastyText,
    mtu: optional(fc.nat()),
    type: optional(nastyText),
    bridge: optional(nastyText),
    tunnel: optional(fc.record({ kind: nastyText, to: nastyText })),
  })
  .map(withoutUndefined);
const hop = fc
  .record({
    node: nastyText,
    role: fc.constantFrom('target' as const, 'client' as const, 'forwarder' as const),
    in: optional(device),
    out: optional(device),
    forwards: optional(fc.boolean()),
    route: optional(fc.record({ verdict: nastyText, device: nastyText, via: nastyText })),
    firewall: optional(
      fc.record({
        verdict: fc.constantFrom('accepts' as const, 'drops' as const, 'mayReject' as const, 'notSeen' as const),
        of: fc.constantFrom('connects' as const, 'answers' as const),
        tool: nastyText,
        table: nastyText,
        chain: nastyText,
        rule: nastyText,
        packets: fc.nat(),
        why: nastyText,
        evidence: nastyText,
      }),
    ),
    translations: optional(
      fc.array(
        fc.record({
          what: fc.constantFrom('destination' as const, 'source' as const),
          from: nastyText,
          to: fc.array(nastyText, { maxLength: 3 }),
          service: nastyText,
          seen: fc.boolean(),
        }),
        { maxLength: 2 },
      ),
    ),
    counters: optional(fc.array(fc.record({ name: nastyText, by: fc.nat() }), { maxLength: 3 })),
    connects: optional(fc.nat()),
    answers: optional(fc.nat()),
  })
  .map(withoutUndefined);
const way = fc
  .record({
    connects: fc.nat(),
    failed: fc.boolean(),
    hops: fc.array(hop, { minLength: 1, maxLength: 4 }),
    how: fc.constantFrom(
      'inside' as const,
      'before' as const,
      'unanswered' as const,
      'answersLost' as const,
      undefined,
    ),
    at: fc.nat(3),
  })
  .map(({ how, at, ...rest }) => {
    const { node = '' } = rest.hops[at] ?? rest.hops[0] ?? {};
    return { ...rest, ...(how === undefined ? {} : { endsAt: { node, how } }) };
  });

const finding = fc
  .record({
    rule: nastyText,
    verdict: fc.constantFrom(
      'confirmed' as const,
      'likely' as const,
      'ruledOut' as const,
      'notApplicable' as const,
      'unknown' as const,
      'error' as const,
    ),
    node: nastyText,
    path: fc.option(fc.record({ from: nastyText, to: nastyText }), { nil: undefined }),
    title: nastyText,
    because: fc.array(because, { maxLength: 10 }),
    remedies: fc.array(remedy, { maxLength: 5 }),
    missing: fc.array(fc.record({ fact: nastyText, node: nastyText, why: nastyText }), { maxLength: 3 }),
  })
  .map(withoutUndefined);

const exit: fc.Arbitrary<EvidenceEntry['exit']> = fc.oneof(
  fc.record({ how: fc.constant('exited' as const), code: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ how: fc.constant('timedOut' as const), afterMs: fc.nat() }),
  fc.record({ how: fc.constant('connectionLost' as const), message: nastyText }),
  fc.record({ how: fc.constant('skipped' as const), why: nastyText }),
);

const entry = fc
  .record({
    id: nastyText,
    node: nastyText,
    collector: nastyText,
    phase: fc.constantFrom('look' as const, 'once' as const, 'before' as const, 'during' as const, 'after' as const),
    kind: nastyText,
    argv: fc.array(nastyText, { maxLength: 4 }),
    privilege: fc.constantFrom('none' as const, 'root' as const),
    startedAtMs: fc.nat(),
    endedAtMs: fc.nat(),
    exit,
    out: fc.option(nastyText, { nil: undefined }),
    outBytes: fc.nat(),
    errBytes: fc.nat(),
  })
  .map(withoutUndefined);

const target = fc.oneof(
  fc.record({ kind: fc.constant('node' as const), node: fc.constantFrom('node-50', 'a') }),
  fc.record({ kind: fc.constant('kubernetes' as const), object: fc.constant('svc' as const), name: nastyText }),
);

/** Any report that the model allows, with text that nobody should have to read. */
export const arbitraryReport: fc.Arbitrary<Report> = fc
  .record({
    schema: fc.constant('netcheck/report/1' as const),
    run: fc.record({
      id: nastyText,
      startedAt: fc.constant('2026-10-17T02:39:01.250Z'),
      playbooks: fc.array(nastyText, { maxLength: 3 }),
      language: fc.constantFrom('en' as const, 'zh' as const),
      netcheck: nastyText,
    }),
    verdict: fc.constantFrom('found' as const, 'clear' as const, 'inconclusive' as const),
    headline: nastyText,
    path: optional(way),
    symptom: fc.record({
      text: nastyText,
      target,
      port: fc.integer({ min: 1, max: 65_535 }),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
      from: fc.array(target, { maxLength: 3 }),
      via: fc.array(target, { maxLength: 2 }),
      words: fc.array(nastyText, { maxLength: 3 }),
    }),
    nodes: fc.array(
      fc
        .record({
          name: nastyText,
          roles: fc.uniqueArray(fc.constantFrom('target' as const, 'client' as const, 'forwarder' as const)),
          address: nastyText,
          kernel: fc.option(nastyText, { nil: undefined }),
          clockOffsetMs: fc.option(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { nil: undefined }),
          unseen: fc.option(nastyText, { nil: undefined }),
        })
        .map(withoutUndefined),
      { maxLength: 9 },
    ),
    findings: fc.array(finding, { maxLength: 16 }),
    unseen: fc.array(nastyText, { maxLength: 30 }),
    ladder: fc.option(
      fc.record({
        client: nastyText,
        target: nastyText,
        capturedOn: nastyText,
        steps: fc.array(
          fc.record({
            atMs: fc.double({ noNaN: true, min: 0, max: 200_000 }),
            from: fc.constantFrom('client' as const, 'target' as const),
            label: nastyText,
            fate: fc.constantFrom('seen' as const, 'answered' as const, 'unanswered' as const, 'lost' as const),
          }),
          { maxLength: 60 },
        ),
        evidence: nastyText,
      }),
      { nil: undefined },
    ),
    evidence: fc.array(entry, { maxLength: 8 }),
    timing: fc.record({ startedAtMs: fc.nat(), endedAtMs: fc.nat(), tookMs: fc.nat() }),
  })
  .map(withoutUndefined);
