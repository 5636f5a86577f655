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
  refused,
} from './facts.ts';

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
});
