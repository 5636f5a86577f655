import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DnsMessage, readDnsMessage } from '../../src/packets/dns-message.ts';
import { dns } from './dns-bytes.ts';

function read(bytes: readonly number[] | Uint8Array, end = bytes.length): DnsMessage | null {
  const exact = Uint8Array.from(bytes);
  return readDnsMessage(new DataView(exact.buffer), 0, end);
}
/** A question whose name is these bytes. */
const question = (...name: number[]): number[] => [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, 1, 0, 1];

describe('readDnsMessage', () => {
  it('reads a question', () => {
    expect(read(dns({ id: 0x1234, name: 'Www.Example.com', type: 28 }))).toEqual({
      id: 0x1234,
      isAnswer: false,
      opcode: 0,
      truncated: false,
      rcode: 'NOERROR',
      questions: [{ name: 'Www.Example.com', type: 'AAAA', class: 1 }],
      questionCount: 1,
      answers: 0,
      addresses: [],
    });
  });

  it('reads addresses of the answer section, with compressed names', () => {
    const message = read(dns({ answer: true, addresses: ['192.0.2.1', '2001:db8::1'] }));
    expect(message).toMatchObject({ isAnswer: true, answers: 2, addresses: ['192.0.2.1', '2001:db8::1'] });
  });

  it('keeps at most 16 addresses and counts all', () => {
    const addresses = Array.from({ length: 20 }, (_, i) => `192.0.2.${i}`);
    const message = read(dns({ answer: true, addresses }));
    expect(message?.answers).toBe(20);
    expect(message?.addresses).toEqual(addresses.slice(0, 16));
  });

  it('names codes it knows and numbers the others', () => {
    expect(read(dns({ answer: true, rcode: 3 }))?.rcode).toBe('NXDOMAIN');
    expect(read(dns({ answer: true, rcode: 11 }))?.rcode).toBe('RCODE11');
    expect(read(dns({ type: 65 }))?.questions[0]?.type).toBe('TYPE65');
  });

  it('takes the upper bits of the rcode from EDNS, and nothing else', () => {
    expect(read(dns({ answer: true, edns: { upperRcode: 1, optionBytes: 30 } }))).toMatchObject({
      rcode: 'BADVERS',
      answers: 0,
      addresses: [],
    });
  });

  it('reads several questions', () => {
    const questions = [
      { name: 'a.example', type: 1 },
      { name: 'a.example', type: 28 },
    ];
    expect(read(dns({ questions }))?.questions.map(({ type }) => type)).toEqual(['A', 'AAAA']);
  });

  it('writes names in presentation format', () => {
    expect(read(question(0))?.questions[0]?.name).toBe('.');
    expect(read(question(3, 0x61, 0x2e, 0x62, 0))?.questions[0]?.name).toBe('a\\.b');
    expect(read(question(4, 0x5c, 0x00, 0x20, 0xff, 0))?.questions[0]?.name).toBe('\\\\\\000\\032\\255');
    expect(read(question(2, 0x0a, 0x1b, 0))?.questions[0]?.name).toBe('\\010\\027');
  });

  it('refuses pointers that do not lead back', () => {
    for (const to of [12, 13, 14, 40, 0, 11])
      expect(read(question(0xc0, to))?.questions, `pointer to ${to}`).toEqual([]);
    // two labels, and a pointer from behind them to their beginning: a loop
    expect(read(question(1, 0x61, 0xc0, 12))?.questions).toEqual([]);
    // label types that do not exist
    expect(read(question(0x40, 0))?.questions).toEqual([]);
  });

  it('refuses names of more than 255 bytes, put together by pointers as well', () => {
    const label = [63, ...Array.from({ length: 63 }, () => 0x61)];
    expect(
      read(question(...label, ...label, ...label, 61, ...Array.from({ length: 61 }, () => 0x61), 0))?.questions,
    ).toHaveLength(1);
    expect(read(question(...label, ...label, ...label, ...label, 0))?.questions).toEqual([]);
    // three labels and the root, then a second question of two labels and a pointer to the first: 64 · 5
    const two = question(...label, ...label, ...label, 0);
    two[5] = 2;
    expect(read([...two, ...label, ...label, 0xc0, 12, 0, 1, 0, 1])?.questions).toHaveLength(1);
  });

  it('reads what is there of a message that is cut anywhere', () => {
    const bytes = dns({ answer: true, name: 'www.example.com', addresses: ['192.0.2.1', '192.0.2.2'], edns: {} });
    for (let end = 0; end < bytes.length; end++) {
      const cut = read(bytes.slice(0, end));
      if (end < 12) expect(cut).toBeNull();
      else expect(cut?.answers).toBe(2);
      expect(cut?.questions.length ?? 0).toBe(end >= 33 ? 1 : 0);
      expect(cut?.addresses.length ?? 0).toBe(end < 49 ? 0 : end < 65 ? 1 : 2);
    }
  });

  it('never throws and reads nothing from the end on', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.nat(8), (bytes, cut, start) => {
        const end = Math.min(bytes.length, cut);
        const wide = Uint8Array.from(bytes);
        const before = readDnsMessage(new DataView(wide.buffer), start, end);
        wide.fill(0xee, end);
        expect(readDnsMessage(new DataView(wide.buffer), start, end)).toEqual(before);
      }),
      { numRuns: 2000 },
    );
  });

  it('never throws on messages that are almost right', () => {
    const bytes = dns({ answer: true, addresses: ['192.0.2.1', '2001:db8::1'], edns: { optionBytes: 12 } });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }), (flips) => {
        const mutated = Uint8Array.from(bytes);
        for (const [at, value] of flips) mutated[at] = value;
        const message = read(mutated);
        expect(message?.addresses.length ?? 0).toBeLessThanOrEqual(16);
        for (const { name } of message?.questions ?? []) expect(name).toMatch(/^[!-~]+$/);
      }),
      { numRuns: 2000 },
    );
  });
});
