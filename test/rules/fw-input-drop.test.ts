import { describe, expect, it } from 'vitest';
import { fwInputDrop as rule } from '../../src/rules/fw-input-drop.ts';
import {
  answered,
  capture,
  connection,
  firewall,
  firewallRule,
  judgeNode,
  link,
  otherAddress,
  port1301,
  synAck,
} from './facts.ts';

const failing = capture([connection()]);
const dropPort = (rose: number | null) => firewallRule({ match: port1301, rose });
const policy = (rose: number | null) => firewallRule({ isPolicy: true, text: ':INPUT DROP', rose, match: {} });
const accept = (values: Parameters<typeof firewallRule>[0] = {}) =>
  firewallRule({ verdict: 'accept', text: '-A INPUT -p tcp --dport 1301 -j ACCEPT', match: port1301, ...values });
const judge = (rules: ReturnType<typeof firewallRule>[], seen = failing) =>
  judgeNode(rule, { facts: { firewall: firewall(...rules), capture: seen } });

describe('fw-input-drop', () => {
  it('fires: a rule that covers the connection counted the SYNs', () => {
    const found = judge([dropPort(3)]);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('"-A INPUT -p tcp -m tcp --dport 1301 -j DROP" +3 packets in the window');
    expect(found.said).toContain('3 SYNs from 10.12.1.2 to port 1301 reached the node and got no answer');
    expect(found.remedies[0]).toMatchObject({
      kind: 'temporary',
      commands: ['iptables -t filter -I INPUT -s 10.12.1.2 -p tcp --dport 1301 -j ACCEPT'],
      undo: ['iptables -t filter -D INPUT -s 10.12.1.2 -p tcp --dport 1301 -j ACCEPT'],
    });
    expect(found.remedies[1]?.commands[0]).toBe('firewall-cmd --permanent --add-port=1301/tcp');
  });

  it('fires: the chain policy, where no accept takes the connection', () => {
    const ssh = accept({ match: { protocol: 'tcp', destinationPorts: [{ from: 22, to: 22 }] } });
    const established = accept({
      text: '-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT',
      match: { understood: false },
      rose: 900,
    });
    expect(judge([policy(3), established, ssh]).verdict).toBe('confirmed');
  });

  it('fires: in raw PREROUTING, and in a user chain that a jump leads to', () => {
    expect(
      judge([firewallRule({ table: 'raw', chain: 'PREROUTING', hook: 'prerouting', match: port1301, rose: 3 })])
        .verdict,
    ).toBe('confirmed');
    const jump = firewallRule({
      verdict: 'jump',
      jumpTo: 'blocked',
      hook: 'input',
      text: '-A INPUT -j blocked',
      rose: 9,
    });
    const inside = firewallRule({ chain: 'blocked', match: { sources: ['10.12.0.0/16'] }, rose: 3 });
    expect(judge([jump, inside]).verdict).toBe('confirmed');
    // the same rule in a chain that nothing leads to
    expect(judge([inside]).verdict).toBe('ruledOut');
  });

  it('fires: nft, with the commands of nft', () => {
    const rose3 = firewallRule({
      tool: 'nft',
      family: 'inet',
      chain: 'input',
      text: 'tcp dport 1301 drop',
      match: port1301,
      rose: 3,
    });
    const found = judge([rose3]);
    expect(found.verdict).toBe('confirmed');
    expect(found.remedies[0]?.commands).toEqual([
      'nft insert rule inet filter input ip saddr 10.12.1.2 tcp dport 1301 accept',
    ]);
  });

  it('fires: without a capture only for a rule that names the port', () => {
    const blind = (rules: ReturnType<typeof firewallRule>[]) =>
      judgeNode(rule, { facts: { firewall: firewall(...rules) } });
    expect(blind([dropPort(2)]).verdict).toBe('confirmed');
    expect(blind([policy(2)]).verdict).toBe('likely');
    expect(blind([policy(2)]).said).toContain('also counts other traffic');
  });

  it('fires: only likely for a match that was not understood, or without a counter', () => {
    expect(judge([firewallRule({ match: { ...port1301, understood: false }, rose: 4 })]).verdict).toBe('likely');
    expect(judge([firewallRule({ match: { ...port1301, understood: false }, rose: 2 })]).verdict).toBe('likely');
    const nftPolicy = policy(null);
    expect(judge([nftPolicy]).verdict).toBe('likely');
    expect(judge([dropPort(1)]).said).toContain('fewer than the 3 unanswered SYNs');
    expect(judge([dropPort(1)]).verdict).toBe('likely');
  });

  it('fires: a match that takes only some packets, where it counted exactly those that were lost', () => {
    const some = firewallRule({ match: { ...port1301, understood: false }, rose: 3 });
    expect(judge([some]).verdict).toBe('confirmed');
    // connects that get through at their second SYN
    const late = () => answered({ tries: 2, synAcks: [synAck({ atMs: 2000 })] });
    const found = judge([some], capture([late(), late(), late(), answered()]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('3 SYNs from');
    // the very last SYN had no time to be answered, and may have been dropped as well
    const last = connection({ tries: 1, startMs: 9000 });
    const four = firewallRule({ match: { ...port1301, understood: false }, rose: 4 });
    expect(judge([four], capture([late(), late(), late(), last])).verdict).toBe('confirmed');
    expect(judge([four], capture([late(), late(), late()])).verdict).toBe('likely');
  });

  it('fires: only likely for a rule that waits for packets that never came', () => {
    const found = judge([dropPort(0)], capture([]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('nothing arrived on port 1301');
  });

  it('stays silent: counters flat while SYNs go unanswered', () => {
    const found = judge([dropPort(0), policy(0)]);
    expect(found.verdict).toBe('ruledOut');
    // the policy stands behind a rule that takes every such packet
    expect(found.said).toContain('1 drop rules and policies can see this connection; all counted +0 while 3 SYNs');
  });

  it('stays silent: an accept takes the connection first, whatever the policy counts', () => {
    expect(judge([policy(50), accept()]).verdict).toBe('ruledOut');
    const newOnly = accept({
      text: '-m state --state NEW -m tcp --dport 1301 -j ACCEPT',
      match: { ...port1301, understood: false },
      rose: 3,
    });
    expect(judge([newOnly, policy(50)]).verdict).toBe('ruledOut');
    const jump = firewallRule({ verdict: 'jump', jumpTo: 'allowed', hook: 'input', text: '-A INPUT -j allowed' });
    expect(judge([jump, accept({ chain: 'allowed' }), policy(50)]).verdict).toBe('ruledOut');
  });

  it('stays silent: rules for other ports, sources, devices, families, hooks', () => {
    const others = [
      firewallRule({ match: { protocol: 'tcp', destinationPorts: [{ from: 80, to: 80 }] }, rose: 9 }),
      firewallRule({ match: { ...port1301, sources: ['192.168.0.0/16'] }, rose: 9 }),
      firewallRule({ match: { protocol: 'udp' }, rose: 9 }),
      firewallRule({ match: { inDevice: 'lo' }, rose: 9 }),
      firewallRule({ family: 6, match: {}, rose: 9 }),
      firewallRule({ chain: 'OUTPUT', hook: 'output', match: port1301, rose: 9 }),
      firewallRule({ chain: 'FORWARD', hook: 'forward', match: port1301, rose: 9 }),
    ];
    const found = judge(others);
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('none of the 7 rules');
  });

  it('stays silent: an unclear rule that counted fewer packets than there were SYNs', () => {
    const invalid = firewallRule({
      text: '-m conntrack --ctstate INVALID -j DROP',
      match: { understood: false },
      rose: 1,
    });
    expect(judge([invalid]).verdict).toBe('ruledOut');
  });

  it('stays silent: the connects are answered', () => {
    const found = judge([dropPort(3)], capture([answered()]));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('1 connects to port 1301 were answered');
  });

  it('stays silent: nft shows the chains of iptables-nft once more, without the policy counter', () => {
    const again = firewallRule({ tool: 'nft', isPolicy: true, text: 'policy drop', rose: null, match: {} });
    expect(judge([policy(0), accept(), again]).verdict).toBe('ruledOut');
  });

  it('knows the device that the SYNs came in by, and the source that failed', () => {
    const byEth1 = firewallRule({ match: { ...port1301, inDevice: 'eth1' }, rose: 3 });
    const sightings = [{ interfaceIndex: 2, direction: 'in' as const }];
    const seen = connection();
    const onEth0 = { ...seen, syns: seen.syns.map((s) => ({ ...s, sightings })) };
    const facts = {
      firewall: firewall(byEth1),
      capture: capture([onEth0]),
      links: [link(), link({ name: 'eth1', index: 3 })],
    };
    expect(judgeNode(rule, { facts }).verdict).toBe('ruledOut');
    const onlyOther = firewallRule({ match: { ...port1301, sources: [otherAddress] }, rose: 3 });
    expect(judge([onlyOther]).verdict).toBe('ruledOut');
    expect(judge([onlyOther], capture([answered(), connection({ from: otherAddress })])).verdict).toBe('confirmed');
  });

  it('puts no name into a command that has not the shape of one', () => {
    const odd = firewallRule({ table: 'x; reboot', match: port1301, rose: 3 });
    const found = judge([odd]);
    expect(found.verdict).toBe('confirmed');
    expect(found.remedies.flatMap((r) => r.commands).join('\n')).not.toContain('reboot');
  });

  it('missing evidence: the rules', () => {
    expect(judgeNode(rule, { facts: { capture: failing } }).missing[0]?.fact).toBe('firewall');
  });

  it('missing evidence: an unclear rule without a counter', () => {
    const found = judge([
      firewallRule({
        tool: 'nft',
        family: 'inet',
        text: 'ct state invalid drop',
        match: { understood: false },
        rose: null,
      }),
    ]);
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('"ct state invalid drop" has no counter and was not fully understood');
  });

  it('missing evidence: a drop that may lie behind a verdict map', () => {
    const nft = { tool: 'nft', family: 'inet', table: 'firewalld' } as const;
    const map = firewallRule({
      ...nft,
      chain: 'input',
      verdict: 'other',
      text: 'inet firewalld input iifname vmap { "eth0" : goto zone }',
      match: { understood: false },
    });
    const zone = (rose: number | null) =>
      firewallRule({ ...nft, chain: 'zone', text: 'tcp dport 1301 drop', match: port1301, rose });
    const found = judge([map, zone(3)]);
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('verdict map');
    expect(judge([map, zone(null)]).verdict).toBe('unknown');
    // its counter clears it, and so does its match
    expect(judge([map, zone(2)]).verdict).toBe('ruledOut');
    expect(judge([map, firewallRule({ ...nft, chain: 'zone', match: { protocol: 'udp' }, rose: 9 })]).verdict).toBe(
      'ruledOut',
    );
    expect(judge([zone(3)]).verdict).toBe('ruledOut');
  });

  it('missing evidence: a capture that lost packets makes it likely at most', () => {
    expect(judge([dropPort(3)], capture([connection()], { droppedByKernel: 2 })).verdict).toBe('likely');
  });

  describe('on a forwarder', () => {
    const came = { interfaceIndex: 2, direction: 'in' } as const;
    const stuck = connection({ syn: { sightings: [came] } });
    const passed = connection({ syn: { sightings: [came, { interfaceIndex: 3, direction: 'out' }] } });
    const raw = (rose: number) =>
      firewallRule({ table: 'raw', chain: 'PREROUTING', hook: 'prerouting', match: port1301, rose });
    const judgeRouter = (rules: ReturnType<typeof firewallRule>[], seen = capture([stuck])) =>
      judgeNode(rule, { node: 'router-30', facts: { firewall: firewall(...rules), capture: seen } });

    it('fires: raw PREROUTING takes what should go on', () => {
      expect(judgeRouter([raw(3)]).verdict).toBe('confirmed');
    });

    it('stays silent: the SYNs left again; INPUT is not on the way, and FORWARD belongs to forward-policy-drop', () => {
      expect(judgeRouter([raw(3)], capture([passed])).verdict).toBe('ruledOut');
      expect(judgeRouter([dropPort(3)]).verdict).toBe('ruledOut');
      expect(judgeRouter([firewallRule({ chain: 'FORWARD', match: port1301, rose: 3 })]).verdict).toBe('ruledOut');
    });
  });
});
