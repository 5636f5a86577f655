import { describe, expect, it } from 'vitest';
import { type Path } from '../../src/model/report.ts';
import { pathSection } from '../../src/report/html-path.ts';
import { renderPathLines } from '../../src/report/path-lines.ts';
import { hopNotes } from '../../src/report/path-notes.ts';
import { renderPathSvg } from '../../src/report/path-svg.ts';
import { endSentence, isTelling, pathLine } from '../../src/report/path-text.ts';
import { stringWidth } from '../../src/report/string-width.ts';

const way = (endsAt: Path['endsAt'], changes: Partial<Path> = {}): Path => ({
  connects: 8,
  failed: true,
  hops: [
    { node: 'node-12', role: 'client', connects: 8, sentOn: 8, answers: 0 },
    {
      node: 'r1',
      role: 'forwarder',
      in: { device: 'eth1', mtu: 1500 },
      connects: 8,
      sentOn: 0,
      answers: 0,
      forwards: false,
    },
    { node: 'node-50', role: 'target', connects: 0, answers: 0 },
  ],
  ...(endsAt === undefined ? {} : { endsAt }),
  ...changes,
});

describe('the way in words', () => {
  it.each([
    [{ node: 'r1', how: 'inside' }, 'node-12 → r1 ✗ node-50', 'they end in r1: it had them and sent none on'],
    [{ node: 'node-50', how: 'before' }, 'node-12 → r1 ✗ node-50', 'they end between r1 and node-50: node-50 saw none'],
    [{ node: 'r1', how: 'before' }, 'node-12 ✗ r1 ⋯ node-50', 'they end between node-12 and r1: r1 saw none'],
    [
      { node: 'node-50', how: 'unanswered' },
      'node-12 → r1 → node-50 ✗',
      'they arrive at node-50, and it does not answer',
    ],
    [undefined, 'node-12 → r1 → node-50', undefined],
  ] as const)('%o', (endsAt, line, sentence) => {
    expect(pathLine(way(endsAt))).toBe(line);
    expect(endSentence(way(endsAt), 'en')).toBe(sentence);
  });

  it('is told in Chinese as well', () => {
    expect(endSentence(way({ node: 'r1', how: 'inside' }), 'zh')).toBe('止于 r1：收到了，但一个也没有转发出去');
  });

  it('is shown where something failed or somebody stands in between', () => {
    expect(isTelling(undefined)).toBe(false);
    expect(isTelling(way(undefined, { failed: false, hops: way(undefined).hops.slice(0, 2) }))).toBe(false);
    expect(isTelling(way(undefined, { failed: false }))).toBe(true);
    expect(isTelling(way(undefined))).toBe(true);
  });
});

const link = ({ evidence, line }: { evidence: string; line?: number }): string => `<a>${evidence}:${line ?? ''}</a>`;

describe('what is said of a hop', () => {
  const texts = (hop: Partial<Path['hops'][number]>, language: 'en' | 'zh' = 'en'): readonly string[] =>
    hopNotes({ node: 'r1', role: 'forwarder', connects: 8, ...hop }, language).map(
      ({ text, isBad }) => `${isBad ? '! ' : ''}${text}`,
    );

  it('is its devices with MTU, bridge and tunnel', () => {
    expect(
      texts({
        in: { device: 'veth1', mtu: 1450, type: 'veth', bridge: 'cni0' },
        out: { device: 'tunl0', mtu: 1440, type: 'ipip', tunnel: { kind: 'ipip', to: '172.16.0.3' } },
      }),
    ).toEqual(['in veth1 · mtu 1450 · veth · port of cni0', 'out tunl0 · mtu 1440 · IPIP tunnel to 172.16.0.3']);
    expect(texts({ out: { device: 'wg0', mtu: 1420, tunnel: { kind: 'wireguard' } } }, 'zh')).toEqual([
      '出 wg0 · mtu 1420 · WireGuard 隧道',
    ]);
  });

  it('is the firewall with the rule that decides and what it counted; or why it was not seen', () => {
    const rule = { tool: 'iptables', table: 'filter', chain: 'FORWARD', rule: '-P FORWARD DROP' };
    expect(texts({ firewall: { verdict: 'drops', of: 'connects', by: 'rules', ...rule, packets: 32 } })).toEqual([
      '! firewall: drops them (+32), iptables table filter, chain FORWARD: -P FORWARD DROP',
    ]);
    expect(texts({ firewall: { verdict: 'mayReject', of: 'answers', ...rule } })).toEqual([
      '! firewall: may reject the answers (no counter), iptables table filter, chain FORWARD: -P FORWARD DROP',
    ]);
    expect(texts({ firewall: { verdict: 'notSeen', of: 'connects', why: 'sudo refused' } })).toEqual([
      'firewall: not seen: sudo refused',
    ]);
    expect(texts({ firewall: { verdict: 'accepts', of: 'connects' } }, 'zh')).toEqual(['防火墙：放行这些连接']);
  });

  it('is what it translates, by what, and for whom', () => {
    const from = '10.96.0.10:80';
    expect(
      texts({
        translations: [
          { what: 'destination', from, to: ['10.244.1.2:80'], by: 'iptables', service: 'shop/web:http', seen: true },
          { what: 'source', from: '10.0.0.1', to: ['10.0.0.2'], seen: true },
          { what: 'destination', from, to: ['10.244.1.2:80', '10.244.1.3:80'], more: 4, by: 'ipvs', seen: false },
          { what: 'destination', from, to: [], by: 'ipvs', seen: false },
        ],
      }),
    ).toEqual([
      'NAT: 10.96.0.10:80 → 10.244.1.2:80 (shop/web:http · iptables)',
      'NAT, source: 10.0.0.1 → 10.0.0.2',
      'NAT: 10.96.0.10:80 → 10.244.1.2:80, 10.244.1.3:80 and 4 more (IPVS · no packet seen with it)',
      '! NAT: 10.96.0.10:80 has no server (IPVS)',
    ]);
  });

  it('is its forwarding, its route, the counters that rose, and a capture that is missing', () => {
    expect(
      texts({
        forwards: false,
        route: { verdict: 'no-route-to-host' },
        counters: [{ name: 'Ip.InAddrErrors', by: 32 }],
      }),
    ).toEqual(['! forwarding off', '! route: refused as "no route to host"', '! counter: Ip.InAddrErrors +32']);
    expect(texts({ route: { verdict: 'ok', device: 'eth1', via: '10.0.0.1' } })).toEqual(['route: eth1 via 10.0.0.1']);
    expect(hopNotes({ node: 'x', role: 'target' }, 'en').map(({ text }) => text)).toEqual(['no capture']);
  });
});

describe('the way in a terminal', () => {
  it('stands hop below hop, with the place where packets die', () => {
    expect(renderPathLines(way({ node: 'r1', how: 'inside' }), { width: 60, language: 'en' }).join('\n')).toBe(
      [
        '  o node-12 · client',
        '  |',
        '  |   v 8 connects · ^ 0 answers',
        '  |',
        '  x r1 · forwarder',
        '  |   in eth1 · mtu 1500',
        '  |   forwarding off',
        '  |',
        '  x   x 0 connects · ^ 0 answers',
        '  :',
        '  o node-50 · target',
      ].join('\n'),
    );
  });

  it.each([40, 52, 80, 200])('keeps within %i columns, in Chinese and with long names as well', (width) => {
    const long = way({ node: 'r1', how: 'answersLost' });
    const named = {
      ...long,
      hops: long.hops.map((hop) => ({
        ...hop,
        node: `${hop.node}-节点的名字很长很长很长很长很长`,
        firewall: {
          verdict: 'drops' as const,
          of: 'connects' as const,
          rule: `-A FORWARD ${'x'.repeat(300)}`,
          tool: 'nft',
        },
      })),
    };
    for (const language of ['en', 'zh'] as const)
      for (const line of renderPathLines(named, { width, language, glyphs: 'box' }))
        expect(stringWidth(line)).toBeLessThanOrEqual(width);
  });

  it('has colours only where they are wanted', () => {
    const path = way({ node: 'r1', how: 'inside' });
    expect(renderPathLines(path, { width: 80, language: 'en' }).join('')).not.toContain('\u001b');
    expect(renderPathLines(path, { width: 80, language: 'en', colour: true }).join('')).toContain('\u001b[31m');
  });
});

describe('the way as a picture', () => {
  it.each([
    [{ node: 'r1', how: 'inside' }, 1, 0],
    [{ node: 'r1', how: 'before' }, 1, 0],
    [{ node: 'node-50', how: 'beyond' }, 1, 0],
    [{ node: 'node-12', how: 'answersLost' }, 1, 0],
    [{ node: 'node-50', how: 'unanswered' }, 0, 1],
    [undefined, 0, 0],
  ] as const)('marks where packets die: %o', (endsAt, cuts, onlyBoxes) => {
    const svg = renderPathSvg(way(endsAt));
    expect(svg.match(/class="l c"/g)?.length ?? 0).toBe(cuts);
    expect(svg.match(/class="b x/g)?.length ?? 0).toBe(endsAt === undefined ? 0 : 1);
    if (onlyBoxes === 1) expect(svg).not.toContain('class="l d"');
  });

  it('fits a phone, and keeps every text within the picture', () => {
    const long = way(undefined);
    const path = {
      ...long,
      hops: long.hops.map((hop) => ({ ...hop, node: '节点'.repeat(60), connects: 123_456, syns: 999_999 })),
    };
    for (const [narrow, width] of [
      [true, 360],
      [false, 640],
    ] as const) {
      const svg = renderPathSvg(path, { narrow, language: 'zh' });
      expect(svg).toContain(`width="${width}"`);
      for (const [, x = '', kind = '', said = ''] of svg.matchAll(
        /<text x="([\d.]+)" y="[\d.]+" class="([^"]*)"[^>]*>([^<]*)</g,
      )) {
        const length = stringWidth(said) * 7.23;
        const isEnd = kind.split(' ').includes('e');
        expect(isEnd ? Number(x) - length : Number(x) + length).toBeGreaterThanOrEqual(0);
        expect(isEnd ? Number(x) : Number(x) + length).toBeLessThanOrEqual(width);
      }
    }
  });

  it('has fixed colours for pictures, and follows the reader in the page', () => {
    expect(renderPathSvg(way(undefined), { theme: 'dark' })).not.toContain('var(');
    expect(renderPathSvg(way(undefined))).toContain('prefers-color-scheme:dark');
  });

  it('stands in the page in two sizes, with where each statement was read; names cannot break out of it', () => {
    const hostile = '<script>alert(1)</script>';
    const path = way({ node: 'r1', how: 'inside' });
    const page = pathSection(
      {
        path: {
          ...path,
          hops: path.hops.map((hop) => ({
            ...hop,
            node: hop.role === 'target' ? hostile : hop.node,
            counters: [{ name: hostile, by: 1, evidence: 'evidence/r1/04.out', line: 7 }],
          })),
        },
      },
      'en',
      link,
    );
    expect(page).toContain('class="on-phone"');
    expect(page).toContain('<a>evidence/r1/04.out:7</a>');
    expect(page).not.toContain('<script>');
    expect(pathSection({}, 'en', link)).toBe('');
  });
});
