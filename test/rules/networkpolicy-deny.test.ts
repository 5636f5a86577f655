import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Capture, Facts, Firewall, FirewallRule } from '../../src/model/facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { iptablesSave } from '../../src/parsers/iptables-save.ts';
import { forwardPolicyDrop } from '../../src/rules/forward-policy-drop.ts';
import { fwInputDrop } from '../../src/rules/fw-input-drop.ts';
import { fwReject } from '../../src/rules/fw-reject.ts';
import { networkpolicyDeny as rule } from '../../src/rules/networkpolicy-deny.ts';
import { answered, capture, connection, firewall, firewallRule, judgeNode, link, plan, routeVerdict } from './facts.ts';

/**
 * Linux 6.18: a pod 10.244.3.9 asks 10.244.3.7:1301 on the same node, with the chains that Calico and kube-router make
 * for a policy "only-frontend" that does not name it, and (`allowed`) one that does. Rules before and after, and what
 * tcpdump -i any saw.
 */
const file = (name: string): Buffer => readFileSync(path.join(import.meta.dirname, 'policy-records', name));
function recordedRules(name: string): Firewall {
  const parse = (when: string): readonly FirewallRule[] =>
    iptablesSave.parse({
      stdout: file(`${name}-${when}.txt`),
      stderr: Buffer.alloc(0),
      argv: [],
      exitCode: 0,
      evidence: `12-firewall-${when}.out`,
    }).value ?? [];
  const before = new Map(parse('before').map((one) => [one.id, one.packets?.after ?? 0]));
  return {
    rules: parse('after').map((one) => {
      const [first, after] = [before.get(one.id) ?? 0, one.packets?.after ?? 0];
      return { ...one, packets: { before: first, after, delta: after - first } };
    }),
  };
}
function recordedPackets(name: string, dropped = 0): Capture {
  const analyser = createCaptureAnalyser({ evidence: `${name}.pcap` });
  analyser.push(file(`${name}.pcap`));
  return analyser.finish(
    Buffer.from(
      `tcpdump: listening on any, link-type LINUX_SLL2\n9 packets captured\n9 packets received by filter\n${dropped} packets dropped by kernel\n`,
    ),
  );
}

const pod = '10.244.3.7';
const routeGet = [routeVerdict({ to: pod, device: 'cali0123456789a' })];
const recorded = (name: string): Facts => ({ firewall: recordedRules(name), capture: recordedPackets(name), routeGet });
const judge = (facts: Facts, of: Parameters<typeof judgeNode>[0] = rule, language: 'en' | 'zh' = 'en') =>
  judgeNode(of, {
    node: 'router-30',
    facts,
    target: { address: pod, port: 1301 },
    plan: plan({ targetAddress: pod }),
    language,
  });

describe('networkpolicy-deny', () => {
  it('fires: Calico drops what no policy of the pod lets in', () => {
    const found = judge(recorded('calico'));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Calico, chain cali-tw-cali0123456789a');
    expect(found.said).toContain('Drop if no policies passed packet');
    expect(found.said).toContain('+4 packets');
    expect(found.said).toContain('selected by: default/knp.default.only-frontend');
    expect(found.said).toContain('1 connects with 4 SYNs came in here, went nowhere');
    expect(found.remedies[0]?.text).toContain('port 1301 in from 10.244.3.9');
    expect(judge(recorded('calico'), rule, 'zh').said).toContain('选中它的策略');
    // it is nobody else's
    expect(judge(recorded('calico'), forwardPolicyDrop).verdict).toBe('ruledOut');
    expect(judge(recorded('calico'), fwInputDrop).verdict).not.toBe('confirmed');
  });

  it('fires: kube-router refuses what no policy of the pod lets in', () => {
    const found = judge(recorded('kube-router'));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      'it guards what comes to shop/web-0 (10.244.3.7), which is selected by: only-frontend',
    );
    expect(found.remedies[1]?.commands[0]).toBe('kubectl get networkpolicy -n shop');
    expect(judge(recorded('kube-router'), forwardPolicyDrop).verdict).not.toBe('confirmed');
    expect(judge(recorded('kube-router'), fwReject).verdict).not.toBe('confirmed');
  });

  it('fires: what a pod may not send', () => {
    const from = '10.12.1.2';
    const egress = firewallRule({
      chain: 'cali-fw-calicc',
      text: '-A cali-fw-calicc -m comment --comment "Drop if no policies passed packet" -j DROP',
      rose: 3,
    });
    const found = judgeNode(rule, {
      node: 'router-30',
      facts: {
        firewall: firewall(egress),
        capture: capture([connection({ from })]),
        routeGet: [routeVerdict({ to: from, device: 'calicc' })],
      },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('it guards what 10.12.1.2 sends');
    expect(found.remedies[0]?.text).toContain('out to 10.51.2.2');
  });

  it('fires: only likely where the connects were not seen, or it counted too little, or the capture has holes', () => {
    const { capture: seen, ...unseen } = recorded('calico');
    expect(seen?.connections).toHaveLength(1);
    expect(judge(unseen).verdict).toBe('likely');
    expect(judge({ ...unseen, capture: recordedPackets('calico', 2) }).verdict).toBe('likely');
    const fewer = recordedRules('calico').rules.map((one) =>
      one.verdict === 'drop' && one.packets?.delta === 4 ? { ...one, packets: { before: 0, after: 1, delta: 1 } } : one,
    );
    expect(judge({ ...recorded('calico'), firewall: { rules: fewer } }).verdict).toBe('likely');
  });

  it('stays silent: let in, let through, nothing counted, another pod, no policies', () => {
    expect(judge(recorded('allowed')).verdict).toBe('ruledOut');
    const calm = recordedRules('calico').rules.map((one) => ({ ...one, packets: { before: 4, after: 4, delta: 0 } }));
    const flat = judge({ ...recorded('calico'), firewall: { rules: calm } });
    expect(flat.verdict).toBe('ruledOut');
    expect(flat.said).toContain('turned nothing away in the window (cali-tw-cali0123456789a');
    const other = { ...recorded('calico'), routeGet: [routeVerdict({ to: pod, device: 'califfff' })] };
    expect(judge(other).verdict).toBe('notApplicable');
    expect(judge({ ...recorded('calico'), firewall: firewall(firewallRule()) }).verdict).toBe('notApplicable');
    const [lost] = recordedPackets('calico').connections;
    const through = {
      ...recorded('calico'),
      capture: capture(
        lost === undefined
          ? []
          : [
              {
                ...lost,
                syns: lost.syns.map((syn) => ({
                  ...syn,
                  sightings: [{ interfaceIndex: 2, direction: 'out' as const }],
                })),
              },
            ],
      ),
    };
    expect(judge(through).said).toContain('were let through here');
  });

  it('missing evidence: the firewall, its counters, and engines that keep their rules elsewhere', () => {
    expect(judge({ routeGet }).missing[0]?.fact).toBe('firewall');
    const uncounted = recordedRules('calico').rules.map((one) => ({ ...one, packets: null }));
    expect(judge({ ...recorded('calico'), firewall: { rules: uncounted } }).missing[0]?.fact).toBe('firewall');
    const cilium: Facts = { firewall: firewall(), links: [link({ name: 'cilium_host' })], routeGet };
    const found = judgeNode(rule, { facts: { ...cilium, capture: capture([connection()]) } });
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('Cilium keeps its policies out of iptables');
    expect(judgeNode(rule, { facts: { ...cilium, capture: capture([answered()]) } }).verdict).toBe('ruledOut');
    const queue: Facts = {
      firewall: firewall(firewallRule({ tool: 'nft', table: 'kube-network-policies' })),
      routeGet,
    };
    expect(judge(queue).said).toContain('kube-network-policies keeps its policies');
  });
});
