import { describe, expect, it } from 'vitest';
import { createListeningWatch, parseTcpdumpStderr } from '../../src/packets/tcpdump-stderr.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('tcpdump on stderr', () => {
  it('of 4.99', () => {
    expect(
      parseTcpdumpStderr(
        'tcpdump: data link type LINUX_SLL2\ntcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 160 bytes\n1 packet captured\n2 packets received by filter\n3 packets dropped by kernel\n',
      ),
    ).toEqual({
      listening: true,
      device: 'any',
      linkType: 'LINUX_SLL2',
      snapshotBytes: 160,
      captured: 1,
      receivedByFilter: 2,
      droppedByKernel: 3,
      droppedByInterface: null,
      failure: null,
    });
  });
  it('of 4.9', () => {
    expect(
      parseTcpdumpStderr(
        bytes(
          'tcpdump: listening on eth0, link-type EN10MB (Ethernet), capture size 262144 bytes\n250 packets captured\n250 packets received by filter\n0 packets dropped by kernel\n12 packets dropped by interface\n',
        ),
      ),
    ).toMatchObject({
      listening: true,
      device: 'eth0',
      linkType: 'EN10MB',
      snapshotBytes: 262_144,
      captured: 250,
      droppedByKernel: 0,
      droppedByInterface: 12,
    });
  });
  it.each([
    ['tcpdump: eth9: No such device exists\n(SIOCGIFHWADDR: No such device)\n', '(SIOCGIFHWADDR: No such device)'],
    [
      "tcpdump: eth0: You don't have permission to capture on that device\n",
      "eth0: You don't have permission to capture on that device",
    ],
    ['sudo: a password is required\n', 'sudo: a password is required'],
    ['', null],
  ])('that never listened: %j', (text, failure) => {
    expect(parseTcpdumpStderr(text)).toMatchObject({ listening: false, droppedByKernel: null, failure });
  });
  it('that was killed says nothing of drops', () => {
    expect(
      parseTcpdumpStderr('tcpdump: listening on eth0, link-type EN10MB (Ethernet), capture size 96 bytes\nGot 5\r'),
    ).toMatchObject({ listening: true, captured: null, droppedByKernel: null });
  });
  it('survives bytes that are no text', () => {
    expect(parseTcpdumpStderr(Uint8Array.of(0xff, 0xfe, 10, 0x80)).listening).toBe(false);
  });
});

describe('the listening watch', () => {
  it('tells the moment, however the words are cut', () => {
    const text = 'tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 160 bytes\n';
    const at = text.indexOf('listening on ') + 'listening on '.length;
    const watch = createListeningWatch();
    const answers = Array.from(bytes(text), (byte) => watch.push(Uint8Array.of(byte)));
    expect(answers.indexOf(true)).toBe(at - 1);
    expect(answers.slice(at).every(Boolean)).toBe(true);
    expect(watch.listening).toBe(true);
  });
  it('is not taken in by other words', () => {
    const watch = createListeningWatch();
    expect(watch.push(bytes('tcpdump: eth9: No such device exists\n'))).toBe(false);
    expect(watch.listening).toBe(false);
  });
});
