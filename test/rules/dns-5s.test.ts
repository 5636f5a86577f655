import { describe, expect, it } from 'vitest';
import { dns5s as rule } from '../../src/rules/dns-5s.ts';
import { asked, dnsCapture } from './dns-facts.ts';
import { capture, judgeOnCapture } from './facts.ts';

/** A and AAAA from one port, 0.2 ms apart; what differs is given. */
const pair = (
  name: string,
  a: Parameters<typeof asked>[1] = {},
  aaaa: Parameters<typeof asked>[1] = {},
  atMs = 1000,
  port = 40_000,
) => [asked(name, { port, atMs, ...a }), asked(name, { port, atMs: atMs + 0.2, type: 'AAAA', addresses: [], ...aaaa })];
const lost = { tookMs: null } as const;

describe('dns-5s', () => {
  it('fires: AAAA gets no answer and both are asked again after 5 s, as glibc does', () => {
    const found = judgeOnCapture(
      rule,
      dnsCapture([
        ...pair('api.example.com', { frame: 11 }, { tookMs: 5003, queries: 2, frame: 12 }),
        asked('api.example.com', { port: 40_000, atMs: 6001 }),
        ...pair('b.example.com', {}, {}, 20_000, 40_001),
      ]),
    );
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain(
      'A (frame 11) was answered after 1.0 ms, AAAA (frame 12) was not, and was asked again after 5 s',
    );
    expect(found.said).toContain('1 of 2 such pairs');
    expect(found.said).toContain('insert_failed');
    expect(found.remedies.map(({ kind }) => kind)).toEqual(['temporary', 'permanent', 'kubernetes']);
  });

  it('fires: the second try gets no answer either, or comes from another port', () => {
    const again = asked('api.example.com', { port: 41_000, atMs: 6001, tookMs: null });
    expect(judgeOnCapture(rule, dnsCapture([...pair('api.example.com', lost), again])).verdict).toBe('likely');
  });

  it('fires: with other words and another remedy where the server never answers AAAA, asked alone or not', () => {
    const deaf = ['a.example.com', 'b.example.com'].flatMap((name, i) => [
      ...pair(name, {}, lost, 1000 + i * 100, 40_000 + i),
      asked(name, { port: 40_000 + i, atMs: 6001 + i * 100 }),
      asked(name, { port: 40_000 + i, atMs: 6003 + i * 100, type: 'AAAA', ...lost }),
    ]);
    const found = judgeOnCapture(rule, dnsCapture(deaf));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('ignores AAAA. That is no race');
    expect(found.remedies.map(({ text }) => text).join()).not.toContain('single-request-reopen');
    const answeredOnce = asked('c.example.com', { type: 'AAAA', atMs: 9000 });
    expect(judgeOnCapture(rule, dnsCapture([...deaf, answeredOnce])).said).toContain('What would confirm');
  });

  it('fires: musl asks again after 2.5 s', () => {
    const found = judgeOnCapture(rule, dnsCapture(pair('api.example.com', { tookMs: 2501, queries: 2 })));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('after 2.5 s');
  });

  it('fires: in a capture that lost packets, because the resolver asked again', () => {
    const dns = pair('api.example.com', {}, { tookMs: 5003, queries: 2 });
    expect(judgeOnCapture(rule, dnsCapture(dns, { droppedByKernel: 3 })).verdict).toBe('likely');
  });

  it('stays silent: both of each pair are answered', () => {
    const found = judgeOnCapture(rule, dnsCapture(pair('api.example.com')));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('slowest answer 1.0 ms');
  });

  it('stays silent: neither is answered, which is another fault', () => {
    const found = judgeOnCapture(rule, dnsCapture(pair('api.example.com', lost, lost)));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('another fault');
  });

  it('stays silent: an answer is slow but belongs to the first question', () => {
    const found = judgeOnCapture(rule, dnsCapture(pair('api.example.com', {}, { tookMs: 3000 })));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('one late answer (slowest 3000.0 ms)');
  });

  it('stays silent: an unanswered question is not asked again', () => {
    expect(judgeOnCapture(rule, dnsCapture(pair('api.example.com', lost))).said).toContain('none was asked again');
  });

  it('stays silent: A and AAAA come from two ports (single-request-reopen, Go), or one after the other', () => {
    const ports = [
      asked('a.example.com', { port: 1 }),
      asked('a.example.com', { port: 2, type: 'AAAA', tookMs: null }),
    ];
    expect(judgeOnCapture(rule, dnsCapture(ports)).verdict).toBe('notApplicable');
    const later = [
      asked('a.example.com', { port: 1 }),
      asked('a.example.com', { port: 1, type: 'AAAA', atMs: 1005, tookMs: null }),
    ];
    expect(judgeOnCapture(rule, dnsCapture(later)).verdict).toBe('notApplicable');
  });

  it('stays silent: there is no DNS', () => {
    expect(judgeOnCapture(rule, capture([])).verdict).toBe('notApplicable');
  });

  it('missing evidence: the capture ends before the resolver would ask again', () => {
    const found = judgeOnCapture(rule, dnsCapture(pair('api.example.com', lost), { lastAtMs: 3000 }));
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('less than 5.5 s');
  });

  it('missing evidence: the capture lost packets, its payload, or is not there', () => {
    const weak = dnsCapture(pair('api.example.com', lost), { droppedByKernel: 3 });
    expect(judgeOnCapture(rule, weak).said).toContain('the kernel dropped 3 packets');
    const bare = judgeOnCapture(rule, { ...dnsCapture(pair('api.example.com')), dns: [] });
    expect(bare.verdict).toBe('unknown');
    expect(bare.said).toContain('of 4 packets from and to port 53 no question can be read');
    expect(judgeOnCapture(rule, undefined).verdict).toBe('unknown');
  });

  it('says the same in Chinese', () => {
    const dns = pair('api.example.com', {}, { tookMs: 5003, queries: 2 });
    expect(judgeOnCapture(rule, dnsCapture(dns), {}, 'zh').said).toMatch(/5 秒后重新查询/);
  });
});
