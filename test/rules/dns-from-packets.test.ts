import { describe, expect, it } from 'vitest';
import type { Capture } from '../../src/model/facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { dns5s } from '../../src/rules/dns-5s.ts';
import { dnsMusl } from '../../src/rules/dns-musl.ts';
import { type CaptureBuilder, capture } from '../packets/build-capture.ts';
import { dns, overTcp } from '../packets/dns-bytes.ts';
import { judgeOnCapture } from './facts.ts';

/** The rules on what the packet engine makes of packets, not on facts that were made for them. */
const client = '10.244.1.7:40000';
const server = '10.96.0.10:53';
const name = 'api.example.com';

function analysed(packets: CaptureBuilder): Capture {
  const analyser = createCaptureAnalyser({ evidence: 'incident.pcap' });
  analyser.push(packets.bytes());
  return analyser.finish();
}

describe('DNS rules on packets', () => {
  it('see the 5 s of glibc: both questions at once, one answer, then one after the other', () => {
    const packets = capture();
    const ask = (afterMs: number, id: number, type: number): void => {
      packets.udp({ from: client, to: server, afterMs, payload: dns({ id, type, name }) });
    };
    const reply = (afterMs: number, id: number, type: number, addresses: readonly string[]): void => {
      packets.udp({ from: server, to: client, afterMs, payload: dns({ id, type, name, answer: true, addresses }) });
    };
    ask(0, 1, 1);
    ask(0.1, 2, 28);
    reply(1, 1, 1, ['192.0.2.1']);
    ask(5004, 1, 1);
    reply(1, 1, 1, ['192.0.2.1']);
    ask(0.1, 2, 28);
    reply(1, 2, 28, []);
    const found = judgeOnCapture(dns5s, analysed(packets));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain(
      'A (frame 1) was answered after 1.1 ms, AAAA (frame 2) was not, and was asked again after 5',
    );
  });

  it('see a truncated answer with TCP behind it, and with a refused one', () => {
    const truncated = (): CaptureBuilder =>
      capture()
        .udp({ from: client, to: server, payload: dns({ id: 1, name }) })
        .udp({ from: server, to: client, payload: dns({ id: 1, name, answer: true, truncated: true }) });
    const helped = truncated().handshake({ from: '10.244.1.7:50000', to: server });
    helped.data({ from: '10.244.1.7:50000', to: server, payload: overTcp(dns({ id: 2, name })) });
    expect(judgeOnCapture(dnsMusl, analysed(helped)).verdict).toBe('ruledOut');
    const refused = truncated().syn({ from: '10.244.1.7:50000', to: server });
    refused.refuse({ from: server, to: '10.244.1.7:50000', ack: 1_000_001 });
    expect(judgeOnCapture(dnsMusl, analysed(refused)).verdict).toBe('confirmed');
  });
});
