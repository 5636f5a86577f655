import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Report } from '../../src/model/report.ts';

const cases = path.join(import.meta.dirname, '../cases');
const reportOf = (name: string): Report =>
  Report.parse(JSON.parse(readFileSync(path.join(cases, name, 'report.json'), 'utf8')));

/** The golden reports hold what `tracePath` makes of recordings of real kernels; `test/cases` proves that they are fresh. */
describe('the way of the connects, on recorded runs', () => {
  it.each([
    ['ip-forward-off', 'r1', 'inside'],
    ['nodeport-forward-drop', 'r1', 'inside'],
    ['nodeport-forwarding-off', 'r1', 'inside'],
    ['etp-local', 'node-30', 'inside'],
    ['route-blackhole', 'r1', 'inside'],
    ['snat-port-exhaustion', 'r1', 'inside'],
    ['firewall-drop-raw-of-router', 'r1', 'inside'],
    ['host-off-behind-router', 'r1', 'refused'],
    ['path-drop', 'node-50', 'before'],
    ['tw-recycle', 'node-50', 'unanswered'],
    ['accept-queue-pod', 'node-50@web', 'unanswered'],
    ['port-closed', 'node-50', 'refused'],
    ['firewall-reject', 'node-50', 'refused'],
    ['firewall-reject-forward-reset', 'r1', 'refused'],
    ['rollout-refused', 'node-30', 'refusedBeyond'],
    ['rollout-silent', 'node-30', 'beyond'],
    ['asymmetric-routing', 'r1', 'answersLost'],
    ['firewall-drop-forward-answers', 'node-12', 'answersLost'],
  ] as const)('%s: they stop at %s (%s)', (name, node, how) => {
    expect(reportOf(name).path?.endsAt).toEqual({ node, how });
  });

  it('says nowhere that something stopped where every connect was made', () => {
    const names = readdirSync(cases, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []));
    const made = names.map((name) => reportOf(name).path).filter((one) => one !== undefined && !one.failed);
    expect(made.length).toBeGreaterThan(40);
    for (const one of made) expect(one?.endsAt).toBeUndefined();
  });

  it('says nothing of an end that not all of them share', () => {
    // a half of the connects is dropped on each of two nodes: nothing that holds for all of them
    expect(reportOf('pair-half-dropped-twice').path?.endsAt).toBeUndefined();
  });

  const hopOf = (name: string, node: string) => {
    const hop = reportOf(name).path?.hops.find((one) => one.node === node);
    if (hop === undefined) throw new Error(`${name} has no hop ${node}`);
    return hop;
  };

  it('shows devices with their MTU, forwarding, the route, and the counters that moved', () => {
    expect(hopOf('ip-forward-off', 'r1')).toMatchObject({
      role: 'forwarder',
      in: { device: 'eth0', mtu: 1500 },
      forwards: false,
      route: { verdict: 'ok', device: 'eth1' },
      firewall: { verdict: 'accepts', of: 'connects', by: 'rules' },
      counters: [{ name: 'Ip.InAddrErrors', by: 32 }],
      syns: 32,
      connects: 8,
      sentOn: 0,
      answers: 0,
    });
    expect(hopOf('route-blackhole', 'r1').route?.verdict).toBe('invalid-argument');
    expect(hopOf('vxlan-fdb-missing', 'node-2').counters).toMatchObject([{ name: 'vxlan.calico tx_drop', by: 12 }]);
  });

  it('goes from the namespace of a pod over its veth, through the Service of IPVS, into the tunnel and out of it', () => {
    const hops = reportOf('ipvs-idle-reset').path?.hops ?? [];
    expect(hops.map((hop) => [hop.node, hop.in?.device, hop.out?.device, hop.out?.tunnel ?? hop.in?.tunnel])).toEqual([
      ['node-2@app', undefined, 'eth0', undefined],
      ['node-2', 'cali-app', 'tunl0', { kind: 'ipip', to: '172.16.0.3' }],
      ['node-3', 'tunl0', 'cali-web', { kind: 'ipip', to: '172.16.0.2' }],
    ]);
    expect(hops.map(({ translations }) => translations)).toMatchObject([
      undefined,
      [{ what: 'destination', from: '10.96.0.44:80', to: ['10.244.3.2:8080'], by: 'ipvs', seen: true }],
      undefined,
    ]);
  });

  it('names what translates both addresses, also where no packet came through', () => {
    expect(hopOf('rollout-silent', 'node-30').translations).toMatchObject([
      { what: 'destination', to: ['10.244.50.2:8080'], by: 'iptables', service: 'shop/web:http', seen: true },
      { what: 'source', from: '10.0.12.2', to: ['172.16.0.30'], by: 'iptables', seen: true },
    ]);
    expect(hopOf('nodeport-forward-drop', 'r1').translations).toMatchObject([
      { what: 'destination', from: '10.0.12.1:30170', to: ['172.16.0.50:1301'], by: 'iptables', seen: false },
    ]);
  });

  it.each([
    ['firewall-drop-iptables', 'node-50', 'drops', 'connects', 'iptables', 'INPUT', 32],
    ['firewall-drop-legacy', 'node-50', 'drops', 'connects', 'iptables-legacy', 'INPUT', 32],
    ['firewall-drop-nft', 'node-50', 'drops', 'connects', 'nft', 'input', 32],
    ['firewall-drop-nft-output-of-target', 'node-50', 'drops', 'answers', 'nft', 'guard', 64],
    ['firewall-drop-forward-answers', 'r1', 'drops', 'answers', 'iptables', 'FORWARD', 42],
    ['firewall-drop-raw-of-router', 'r1', 'drops', 'connects', 'iptables', 'PREROUTING', 32],
    ['firewall-reject', 'node-50', 'rejects', 'connects', 'iptables', 'INPUT', 29],
    ['firewall-reject-forward-reset', 'r1', 'rejects', 'connects', 'iptables', 'FORWARD', 8],
    ['forward-policy-drop', 'r1', 'drops', 'connects', 'iptables', 'FORWARD', 32],
    ['nodeport-forward-drop', 'r1', 'drops', 'connects', 'iptables', 'FORWARD', 32],
    ['etp-local', 'node-30', 'drops', 'connects', 'iptables', 'KUBE-EXTERNAL-SERVICES', 32],
  ] as const)('%s: the firewall of %s %s the %s', (name, node, verdict, of, tool, chain, packets) => {
    expect(hopOf(name, node).firewall).toMatchObject({ verdict, of, by: 'rules', tool, chain, packets });
  });

  it('accuses a firewall on no hop where no rule finds one at fault', () => {
    const ofFirewalls =
      /^(?:fw-input-drop|fw-output-drop|fw-reject|forward-policy-drop|networkpolicy-deny|etp-local-no-endpoint|no-endpoints)$/;
    for (const { name } of readdirSync(cases, { withFileTypes: true }).filter((one) => one.isDirectory())) {
      const { path: traced, findings } = reportOf(name);
      for (const { node, firewall } of traced?.hops ?? []) {
        if (!/^(?:drops|rejects|mayDrop|mayReject)$/.test(firewall?.verdict ?? '')) continue;
        const accused = findings.filter(
          ({ rule, verdict }) => ofFirewalls.test(rule) && /confirmed|likely/.test(verdict),
        );
        expect(
          accused.map((one) => one.node),
          `${name} ${node}`,
        ).toContain(node);
      }
    }
  });

  it('says that a firewall was not seen, and why, where nobody could look; and not reached where nothing came', () => {
    const unseen = hopOf('host-off-behind-router', 'node-50').firewall;
    expect(unseen).toMatchObject({ verdict: 'notSeen' });
    expect(unseen?.why).toContain('node-50');
    expect(hopOf('path-drop', 'node-50').firewall).toEqual({ verdict: 'notReached', of: 'connects' });
  });

  it('is not drawn where only one place captured', () => {
    expect(reportOf('no-tcpdump-path-drop').path).toBeUndefined();
    expect(reportOf('client-dark-firewall-drop').path).toBeUndefined();
  });
});
