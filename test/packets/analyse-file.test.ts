import { describe, expect, it } from 'vitest';
import { createPcapSession, type TcpPacketLine } from '../../src/packets/analyse-file.ts';
import { capture } from './build-capture.ts';

const fromA = { from: '10.0.0.1:40000', to: '10.0.0.2:80' };
const startMs = 1_700_000_000_000;
const file = capture({ startMs })
  .syn({ ...fromA, seq: 4_000_000_000 })
  .udp({ from: '10.0.0.1:1', to: '10.0.0.2:2' })
  .syn({ ...fromA, seq: 4_000_000_000, afterMs: 1000 })
  .data({ from: '[2001:db8::1]:40000', to: '[2001:db8::2]:80', payload: 7 })
  .bytes();

describe('a session over a file', () => {
  it('gives the capture and a line per TCP packet', () => {
    const lines: TcpPacketLine[] = [];
    const session = createPcapSession({
      mode: 'netcheck',
      packets: true,
      evidence: 'x.pcap',
      onTcpPacket: (line) => lines.push(line),
    });
    for (const byte of file) session.push(Uint8Array.of(byte));
    const { capture: found, problems } = session.finish();
    expect(problems).toEqual([]);
    expect(found).toMatchObject({
      packets: 4,
      at: { evidence: 'x.pcap' },
      connections: [{ handshake: 'unanswered' }, {}],
    });
    expect(lines).toEqual([
      {
        frame: 1,
        atMs: startMs,
        src: '10.0.0.1:40000',
        dst: '10.0.0.2:80',
        flagsText: 'SYN',
        seq: 4_000_000_000,
        len: 0,
        analysis: [],
      },
      {
        frame: 3,
        atMs: startMs + 1000.1,
        src: '10.0.0.1:40000',
        dst: '10.0.0.2:80',
        flagsText: 'SYN',
        seq: 4_000_000_000,
        len: 0,
        analysis: ['retransmission'],
      },
      {
        frame: 4,
        atMs: startMs + 1000.2,
        src: '[2001:db8::1]:40000',
        dst: '[2001:db8::2]:80',
        flagsText: 'PSH,ACK',
        seq: 1,
        len: 7,
        analysis: [],
      },
    ]);
  });

  it('gives the verdicts alone', () => {
    const verdicts: unknown[] = [];
    const session = createPcapSession({
      mode: 'netcheck',
      packets: true,
      onVerdicts: (frame, analysis) => verdicts.push([frame, analysis]),
    });
    session.push(file);
    session.finish();
    expect(verdicts).toEqual([
      [1, []],
      [3, ['retransmission']],
      [4, []],
    ]);
  });

  it('gives no lines unless asked', () => {
    const lines: TcpPacketLine[] = [];
    const session = createPcapSession({ mode: 'netcheck', packets: false, onTcpPacket: (line) => lines.push(line) });
    session.push(file);
    session.finish();
    expect(lines).toEqual([]);
  });

  it('says what was wrong with the file', () => {
    const session = createPcapSession({ mode: 'netcheck', packets: false });
    session.push(file.slice(0, -3));
    expect(session.finish().problems).toMatchObject([
      { message: expect.stringMatching(/^the stream ends inside packet 4/) },
    ]);
  });

  it('in mode wireshark judges every sighting, in mode netcheck every packet', () => {
    const seen = capture({ linkType: 276 })
      .data({ ...fromA, interfaceIndex: 1 })
      .again({ interfaceIndex: 2 })
      .bytes();
    const count = (mode: 'netcheck' | 'wireshark'): string[] => {
      const found: string[] = [];
      const session = createPcapSession({
        mode,
        packets: true,
        onTcpPacket: (line) => found.push(line.analysis.join()),
      });
      session.push(seen);
      session.finish();
      return found;
    };
    expect(count('netcheck')).toEqual(['', '']);
    expect(count('wireshark')).toEqual(['', 'retransmission']);
  });
});
