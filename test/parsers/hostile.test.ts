import vm from 'node:vm';
import v8 from 'node:v8';
import { describe, expect, it } from 'vitest';
import type { Parsed, Parser } from '../../src/model/parser.ts';
import { parsers } from '../../src/parsers/index.ts';
import { mostProblems } from '../../src/parsers/problem-list.ts';
import { mostLines } from '../../src/parsers/text-lines.ts';
import { inputOf, parseText } from './parse-text.ts';
import { sampleKinds, textOf } from './sample-kinds.ts';

/** Every recorded output, and the sample of every kind. */
const inputs: readonly (readonly [name: string, parser: Parser, text: string, argv: readonly string[]])[] = [
  ...[...parsers.values()].map((parser) => [parser.kind, parser, parser.sample, []] as const),
  ...Object.entries(sampleKinds).map(([file, [kind, argv = []]]) => {
    const parser = parsers.get(kind);
    if (parser === undefined) throw new Error(`no parser for ${kind}`);
    return [file, parser, textOf(file), argv] as const;
  }),
];

function expectShape({ value, problems }: Parsed<unknown>): void {
  expect(problems.length).toBeLessThanOrEqual(mostProblems + 1);
  if (value === undefined) expect(problems.length).toBeGreaterThan(0);
  for (const { message } of problems) {
    expect(message.length).toBeLessThan(500);
    expect(message).not.toMatch(/[\0\n\u001b]/);
  }
}

/** The same places for every run (xorshift, Marsaglia 2003). */
function places(count: number, below: number): readonly number[] {
  let state = 88_172_645;
  return Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % Math.max(1, below);
  });
}

describe.each(inputs)('%s, damaged', (_name, parser, text, argv) => {
  const bytes = new TextEncoder().encode(text);

  it('cut at every line and at 200 places', () => {
    const ends = [...bytes.keys()].filter((at) => bytes[at] === 0x0a).slice(0, 300);
    for (const end of [...ends, ...places(200, bytes.length)])
      for (const exitCode of [0, null]) expectShape(parser.parse(inputOf(bytes.subarray(0, end), { argv, exitCode })));
    for (const start of ends) expectShape(parser.parse(inputOf(bytes.subarray(start), { argv })));
  });

  it('a byte changed at 200 places', () => {
    for (const [turn, at] of places(200, bytes.length).entries()) {
      const changed = Uint8Array.from(bytes);
      changed[at] = [0x00, 0xff, 0x20, 0x0a, 0x2d, 0x3a, 0x39][turn % 7] ?? 0;
      expectShape(parser.parse(inputOf(changed, { argv })));
    }
  });

  it('CR LF line ends say the same', () => {
    expect(parseText(parser, text.replaceAll('\n', '\r\n'), { argv }).value).toEqual(
      parseText(parser, text, { argv }).value,
    );
  });

  it('names of mentions, markup and of Object.prototype in place of every word', () => {
    const words = [...text.matchAll(/[A-Za-z_][\w.-]*/g)].slice(0, 60);
    for (const [turn, word] of words.entries()) {
      const name = ['<!channel>', '__proto__', 'constructor', 'toString', '<@U1|x>', '`*_~'][turn % 6] ?? '';
      const { index } = word;
      expectShape(parseText(parser, text.slice(0, index) + name + text.slice(index + word[0].length), { argv }));
      expectShape(parseText(parser, text.replaceAll(word[0], name), { argv }));
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe.each([...parsers])('%s, without end', (_kind, parser) => {
  it('one line of 10 MB', { timeout: 120_000 }, () => {
    const [line = ''] = parser.sample.split('\n');
    expectShape(parser.parse(inputOf(Buffer.alloc(10_000_000, `${line} `), { exitCode: 0 })));
    expectShape(parser.parse(inputOf(Buffer.alloc(10_000_000, '\\'), { exitCode: 0 })));
  });

  it('JSON of a depth that no call stack has', () => {
    const depth = 100_000;
    for (const text of [
      '['.repeat(depth) + ']'.repeat(depth),
      `{"nftables":${'['.repeat(depth)}${']'.repeat(depth)}}`,
      `[{"ifname":"a","ifindex":1,"mtu":${'{"x":'.repeat(depth)}1${'}'.repeat(depth)}}]`,
    ])
      expectShape(parseText(parser, text));
  });
});

describe('100 MB of the same', () => {
  v8.setFlagsFromString('--expose-gc');
  const collectGarbage = vm.runInNewContext('gc') as () => void;
  const bytes = Buffer.alloc(100 << 20);

  // One for each way of reading lists and tables; those that read the whole input among them. All others read lines in
  // the same way, and take a second each.
  it.each(['ss', 'ip-link', 'conntrack-list', 'dmesg'])(
    '%s: a bounded part of it is kept',
    { timeout: 120_000 },
    (kind) => {
      const parser = parsers.get(kind);
      if (parser === undefined) throw new Error(`no parser for ${kind}`);
      bytes.fill(parser.sample.endsWith('\n') ? parser.sample : `${parser.sample}\n`);
      collectGarbage();
      const before = process.memoryUsage().heapUsed;
      const parsed = parser.parse(inputOf(bytes));
      const used = process.memoryUsage().heapUsed - before;
      // Garbage included: measured at most 2.8 times the input, where every line is one item.
      expect(used / bytes.length).toBeLessThan(6);
      expectShape(parsed);
      expect(longestList(parsed.value)).toBeLessThanOrEqual(mostLines);
    },
  );
});

function longestList(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Math.max(0, ...Object.values(value).map((one) => (Array.isArray(one) ? one.length : 0)));
}

describe('outputs in another language (LC_ALL=C is set on nodes; files that somebody saved may differ)', () => {
  const texts = [
    '激活Internet连接 (仅服务器)\nProto Recv-Q Send-Q Local Address           Foreign Address         State      \ntcp        0      0 0.0.0.0:22              0.0.0.0:*               监听      \n',
    'PING 10.0.0.1 (10.0.0.1) 56(84) 字节的数据。\n64 字节，来自 10.0.0.1: icmp_seq=1 ttl=64 时间=0.05 毫秒\n\n--- 10.0.0.1 ping 统计 ---\n已发送 1 个包， 已接收 1 个包, 0% packet loss, time 0ms\n',
    'ARPING 10.0.0.2 von 10.0.0.1 eth0\nUnicast-Antwort von 10.0.0.2 [52:54:00:12:34:56]  0.712ms\n2 Proben gesendet (1 Rundruf(e))\n1 Antwort(en) erhalten\n',
    'Limite                    Limite souple        Limite dure          Unités\nMax open files            1024                 1048576              files\n',
    'ls: Zugriff auf /proc/1/fd nicht möglich: Keine Berechtigung\n',
    'Ip:\n    1787 empfangene Pakete insgesamt\n',
  ];

  it.each([...parsers])('%s does not read them as "none"', (_kind, parser) => {
    for (const text of texts) {
      const parsed = parseText(parser, text);
      expectShape(parsed);
      expect(parsed.value === undefined || parsed.problems.length > 0, text).toBe(true);
    }
    for (const said of ['replies', 'macs', 'listeners']) {
      const values = texts.map((text) => (parseText(parser, text).value ?? {}) as Record<string, unknown>);
      expect(values.map((value) => value[said] ?? 'unread')).toEqual(texts.map(() => 'unread'));
    }
  });
});
