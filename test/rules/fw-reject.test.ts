import { describe, expect, it } from 'vitest';
import { fwReject as rule } from '../../src/rules/fw-reject.ts';
import {
  answered,
  capture,
  connection,
  firewall,
  firewallRule,
  icmp,
  judgeNode,
  listener,
  port1301,
  probe,
  refused,
  routeVerdict,
} from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';

const rejected = connection({ handshake: 'icmpError', tries: 1 });
/** An ICMP error about that connect. */
const answer = (values: Parameters<typeof icmp>[0] = {}) =>
  icmp({ ...values, about: { sourcePort: rejected.client.port, ...values.about } });
const prohibited = capture([rejected], { icmpErrors: [answer()] });
const reject = (rose: number | null, values: Parameters<typeof firewallRule>[0] = {}) =>
  firewallRule({
    verdict: 'reject',
    rejectWith: 'icmp-host-prohibited',
    text: '-A INPUT -j REJECT --reject-with icmp-host-prohibited',
    match: {},
    rose,
    ...values,
  });

describe('fw-reject', () => {
  it('fires: ICMP host-prohibited from the target, and its reject rule counted', () => {
    const found = judgeNode(rule, { facts: { capture: prohibited, firewall: firewall(reject(1)) } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1 x ICMP host-prohibited (code 10) from 10.51.2.2');
    expect(found.said).toContain('No route to host');
    expect(found.said).toContain('--reject-with icmp-host-prohibited" +1 packets');
    expect(found.remedies[0]?.commands[0]).toContain('-I INPUT -s 10.12.1.2 -p tcp --dport 1301 -j ACCEPT');
  });

  it('fires: the default REJECT (port unreachable) reads as refused', () => {
    const seen = capture([rejected], { icmpErrors: [answer({ code: 3, name: 'port-unreachable' })] });
    const found = judgeNode(rule, { facts: { capture: seen, firewall: firewall(reject(1, { match: port1301 })) } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Connection refused');
  });

  it('fires: tcp-reset, known by a listener that did not send it', () => {
    const resetting = reject(1, { rejectWith: 'tcp-reset', match: port1301 });
    const facts = { capture: capture([refused()]), firewall: firewall(resetting), listeners: [listener()] };
    const found = judgeNode(rule, { facts });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('answered by RST although a process listens (nginx)');
  });

  it('fires: only likely where the rule counted for connects without any answer: ICMP errors are limited', () => {
    const silent = capture([connection({ handshake: 'unanswered', tries: 2 })]);
    const icmpRule = (rose: number) => firewall(reject(rose, { match: port1301 }));
    const found = judgeNode(rule, { facts: { capture: silent, firewall: icmpRule(2) } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('1 connects from 10.12.1.2 got no answer');
    expect(found.said).toContain('icmp_ratelimit');
    expect(judgeNode(rule, { facts: { capture: silent, firewall: icmpRule(0) } }).verdict).toBe('ruledOut');
    const resetting = firewall(reject(2, { match: port1301, rejectWith: 'tcp-reset' }));
    expect(judgeNode(rule, { facts: { capture: silent, firewall: resetting } }).verdict).toBe('ruledOut');
  });

  it('stays silent: IPVS answers so itself where a service has no server', () => {
    const seen = capture([rejected], { icmpErrors: [answer({ code: 3, name: 'port-unreachable' })] });
    const judged = (servers: readonly { readonly weight: number }[]) =>
      judgeNode(rule, {
        facts: {
          capture: seen,
          firewall: firewall(),
          ipvs: ipvs({ services: [service({ servers })] }),
          features: features(),
        },
      });
    expect(judged([]).verdict).toBe('ruledOut');
    expect(judged([]).said).toContain('IPVS answers so itself');
    expect(judged([{ weight: 0 }]).verdict).toBe('ruledOut');
    expect(judged([{ weight: 1 }]).verdict).toBe('likely');
  });

  it('fires: only likely without the rule, or with one that was not understood', () => {
    expect(judgeNode(rule, { facts: { capture: prohibited } }).verdict).toBe('likely');
    expect(judgeNode(rule, { facts: { capture: prohibited, firewall: firewall() } }).verdict).toBe('likely');
    const unclear = reject(1, { match: { understood: false } });
    expect(judgeNode(rule, { facts: { capture: prohibited, firewall: firewall(unclear) } }).verdict).toBe('likely');
    const uncounted = reject(null);
    expect(judgeNode(rule, { facts: { capture: prohibited, firewall: firewall(uncounted) } }).verdict).toBe('likely');
  });

  it('stays silent: no rejection on the wire', () => {
    const found = judgeNode(rule, { facts: { capture: capture([connection()]), firewall: firewall(reject(4)) } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('1 connects to port 1301 in the capture, none answered by an ICMP rejection');
    expect(judgeNode(rule, { facts: { capture: capture([answered()]) } }).verdict).toBe('ruledOut');
  });

  it('stays silent: the ICMP comes from a device on the way', () => {
    const seen = capture([rejected], {
      icmpErrors: [answer({ from: '10.30.0.1', code: 13, name: 'admin-prohibited' })],
    });
    const found = judgeNode(rule, { facts: { capture: seen, firewall: firewall(reject(1)) } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('came from 10.30.0.1, not from this node: see path-drop');
  });

  it('stays silent: an RST of the kernel, since nothing listens', () => {
    const facts = { capture: capture([refused()]), firewall: firewall(reject(5)), listeners: [] };
    expect(judgeNode(rule, { facts }).verdict).toBe('ruledOut');
  });

  it('stays silent: an RST in spite of a listener, and readable rules that did not count', () => {
    const facts = { capture: capture([refused()]), firewall: firewall(reject(0)), listeners: [listener()] };
    expect(judgeNode(rule, { facts }).verdict).toBe('ruledOut');
  });

  it('stays silent: rejections of other flows', () => {
    const other = answer({ about: { destinationPort: 8080 } });
    const seen = capture([answered()], { icmpErrors: [other] });
    expect(judgeNode(rule, { facts: { capture: seen, firewall: firewall(reject(1)) } }).verdict).toBe('ruledOut');
  });

  it('missing evidence: neither capture nor rules', () => {
    const found = judgeNode(rule, { facts: { listeners: [listener()] } });
    expect(found.verdict).toBe('unknown');
    expect(found.missing.map((m) => m.fact)).toEqual(['capture', 'firewall']);
  });

  it('fires: only likely where the rule of the port counted and the capture has no connect', () => {
    const named = firewall(reject(2, { match: port1301 }));
    expect(judgeNode(rule, { facts: { capture: capture([]), firewall: named } }).verdict).toBe('likely');
    expect(judgeNode(rule, { facts: { capture: capture([]), firewall: firewall(reject(2)) } }).verdict).toBe(
      'ruledOut',
    );
    expect(judgeNode(rule, { facts: { capture: capture([answered()]), firewall: named } }).verdict).toBe('ruledOut');
  });

  it('missing evidence: without a capture the counter alone is likely, and flat counters clear it', () => {
    expect(judgeNode(rule, { facts: { firewall: firewall(reject(2, { match: port1301 })) } }).verdict).toBe('likely');
    expect(judgeNode(rule, { facts: { firewall: firewall(reject(0)) } }).verdict).toBe('ruledOut');
    const lossy = capture([], { droppedByKernel: 4 });
    expect(judgeNode(rule, { facts: { capture: lossy } }).verdict).toBe('unknown');
  });

  describe('on a forwarder', () => {
    const place = { interfaceIndex: 2, tunnel: null, client: 1, server: 0 } as const;
    const out = { ...place, direction: 'out', client: 0, server: 1 } as const;
    const into = { ...place, direction: 'in' } as const;
    const came = { sightings: [{ interfaceIndex: 2, direction: 'in', frame: 1 }] } as never;
    const forward = (rejectWith: string, rose: number) =>
      reject(rose, { chain: 'FORWARD', rejectWith, text: '-A FORWARD -j REJECT', match: port1301 });
    const judge = (facts: Parameters<typeof judgeNode>[1]['facts']) => judgeNode(rule, { facts, node: 'router-30' });

    it('fires: its own ICMP, and a reject rule of FORWARD counted', () => {
      const seen = capture([rejected], { icmpErrors: [answer({ from: '10.30.0.1' })] });
      const found = judge({ capture: seen, firewall: firewall(forward('icmp-host-prohibited', 3)) });
      expect(found.verdict).toBe('confirmed');
      expect(found.remedies[0]?.commands[0]).toBe(
        'iptables -t filter -I FORWARD -s 10.12.1.2 -d 10.51.2.2 -p tcp --dport 1301 -j ACCEPT',
      );
      expect(found.remedies.flatMap(({ commands }) => commands).join()).not.toContain('firewall-cmd');
    });

    it("fires: a RST in the target's name that came in nowhere", () => {
      const here = refused({ syn: came, places: [into, out] });
      const found = judge({ capture: capture([here]), firewall: firewall(forward('tcp-reset', 1)) });
      expect(found.verdict).toBe('confirmed');
      expect(found.said).toContain('in the name of 10.51.2.2: it was sent here');
    });

    it('stays silent: the RST is the target’s, or the ICMP error', () => {
      const passed = refused({ syn: came, places: [into, out, { ...out, direction: 'in' }] });
      const facts = { capture: capture([passed]), firewall: firewall(forward('tcp-reset', 1)) };
      expect(judge(facts).verdict).toBe('ruledOut');
      const foreign = capture([rejected], { icmpErrors: [answer()] });
      expect(judge({ ...facts, capture: foreign }).verdict).toBe('ruledOut');
    });
  });

  it('stays silent: a route of the forwarder itself prohibits it, and no rule rejects', () => {
    const seen = capture([rejected], {
      icmpErrors: [answer({ from: '10.30.0.1', code: 13, name: 'admin-prohibited' })],
    });
    const routeGet = [routeVerdict({ verdict: 'prohibited' })];
    const facts = { capture: seen, firewall: firewall(), routeGet };
    expect(judgeNode(rule, { facts, node: 'router-30' }).verdict).toBe('ruledOut');
  });

  describe('on a client', () => {
    const ownCounted = (rose: number) =>
      reject(rose, { chain: 'OUTPUT', text: '-A OUTPUT -p tcp --dport 1301 -j REJECT', match: port1301 });
    const own = ownCounted(2);
    const refusals = [probe({ outcome: 'refused', message: 'Connection refused' }), probe({ outcome: 'refused' })];
    const judge = (facts: Parameters<typeof judgeNode>[1]['facts']) => judgeNode(rule, { facts, node: 'node-12' });

    it('fires: connects are refused, no SYN left, and a reject rule of OUTPUT counted', () => {
      const found = judge({ probes: refusals, capture: capture([]), firewall: firewall(own) });
      expect(found.verdict).toBe('confirmed');
      expect(found.said).toContain('were refused at once (Connection refused)');
      expect(found.remedies[0]?.commands[0]).toBe(
        'iptables -t filter -I OUTPUT -d 10.51.2.2 -p tcp --dport 1301 -j ACCEPT',
      );
    });

    it('stays silent: SYNs left, connects timed out, or no rule that counted', () => {
      const facts = { probes: refusals, capture: capture([]), firewall: firewall(own) };
      expect(judge({ ...facts, capture: capture([refused()]) }).verdict).toBe('ruledOut');
      expect(judge({ ...facts, probes: [probe()] }).verdict).toBe('ruledOut');
      expect(judge({ ...facts, firewall: firewall() }).verdict).toBe('ruledOut');
      expect(judge({ ...facts, firewall: firewall(ownCounted(0)) }).verdict).toBe('ruledOut');
    });

    it('missing evidence: connects, the firewall; without a capture it is only likely', () => {
      expect(judge({ capture: capture([]), firewall: firewall(own) }).missing[0]?.fact).toBe('probes');
      expect(judge({ probes: refusals, capture: capture([]) }).missing[0]?.fact).toBe('firewall');
      expect(judge({ probes: refusals, firewall: firewall(own) }).verdict).toBe('likely');
    });
  });
});
