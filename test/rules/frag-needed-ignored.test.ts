import { describe, expect, it } from 'vitest';
import type { IcmpError } from '../../src/model/facts.ts';
import { fragNeededIgnored } from '../../src/rules/frag-needed-ignored.ts';
import { capture, flow, icmp, judgeOnCapture, talk } from './facts.ts';

const sending = talk({
  flow: { client: flow({ bySize: [{ upTo: 1460, sent: 6, retransmitted: 4 }] }), server: flow() },
});
const said = (atMs: number, mtu = 1440, values: Partial<IcmpError> = {}): IcmpError =>
  icmp({
    name: 'frag-needed',
    code: 4,
    from: '10.30.0.1',
    atMs,
    frame: atMs / 100,
    mtu,
    about: { sourcePort: sending.client.port },
    ...values,
  });
const judge = (...icmpErrors: readonly IcmpError[]) =>
  judgeOnCapture(fragNeededIgnored, capture([sending], { icmpErrors }));

describe('frag-needed-ignored', () => {
  it('fires: it was said again 3 s later, and the sender repeated', () => {
    const found = judge(said(1000), said(1200), said(4000));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      '10.30.0.1 said 3 times in 3 s that the packets are too large (MTU 1440) (frames 10 to 40)',
    );
    expect(found.said).toContain('4 segments were sent again');
  });

  it('fires: likely where no repetition of the sender was seen', () => {
    const found = judgeOnCapture(fragNeededIgnored, capture([talk()], { icmpErrors: [said(1000), said(4000)] }));
    expect(found.verdict).toBe('likely');
  });

  it('stays silent: the sender heard, as all of one flight were answered', () => {
    const found = judge(said(1000), said(1001), said(1400));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('the senders heard');
  });

  it('stays silent: a second hop with another MTU, or a probe after the kernel had forgotten', () => {
    expect(judge(said(1000, 1450), said(3000, 1400)).verdict).toBe('ruledOut');
    expect(judge(said(1000), said(702_000)).verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbour icmp-refused, and UDP that probes for its MTU', () => {
    expect(judge(icmp(), icmp({ atMs: 9000 })).verdict).toBe('notApplicable');
    const quic = { about: { ...said(1000).about, protocol: 17 } };
    expect(judge(said(1000, 1440, quic), said(4000, 1440, quic)).verdict).toBe('notApplicable');
  });

  it('missing evidence: no capture, or tcpdump never listened', () => {
    expect(judgeOnCapture(fragNeededIgnored, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(fragNeededIgnored, capture([], { listening: false })).verdict).toBe('unknown');
  });
});
