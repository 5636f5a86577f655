import { describe, expect, it } from 'vitest';
import {
  coverage,
  type Flow,
  forwardHooks,
  isTranslated,
  outboundHooks,
  reachedRules,
} from '../../src/rules/firewall-match.ts';
import { firewall, firewallRule, port1301 } from './facts.ts';

const flow: Flow = {
  protocol: 'tcp',
  source: '10.12.1.2',
  destination: '10.51.2.2',
  port: 1301,
  inDevice: 'eth0',
  packets: 3,
};
const names = (rules: ReturnType<typeof firewallRule>[]) =>
  reachedRules(firewall(...rules), flow, ['drop']).map((r) => `${r.rule.table} ${r.rule.chain} ${r.coverage}`);

describe('whether a rule covers a flow', () => {
  it.each([
    [{}, 'yes'],
    [{ protocol: 'all' }, 'yes'],
    [{ protocol: '6' }, 'yes'],
    [{ protocol: 'udp' }, 'no'],
    [{ sources: ['10.12.0.0/16', '192.168.0.0/16'] }, 'yes'],
    [{ sources: ['@set'] }, 'maybe'],
    [{ destinations: ['10.51.2.3'] }, 'no'],
    [{ destinationPorts: [{ from: 1000, to: 2000 }] }, 'yes'],
    [
      {
        destinationPorts: [
          { from: 80, to: 80 },
          { from: 1301, to: 1301 },
        ],
      },
      'yes',
    ],
    [{ inDevice: 'eth+' }, 'yes'],
    [{ inDevice: 'eth1' }, 'no'],
    [{ inDevice: 'lo' }, 'no'],
    [{ understood: false }, 'maybe'],
    [{ understood: false, protocol: 'udp' }, 'no'],
  ])('%o: %s', (match, covers) => {
    expect(coverage(firewallRule({ match }), flow)).toBe(covers);
  });

  it('does not claim what it does not know of the flow', () => {
    const from = firewallRule({ match: { sources: ['10.12.0.0/16'] } });
    expect(coverage(from, { ...flow, source: null })).toBe('maybe');
    const by = firewallRule({ match: { inDevice: 'eth0' } });
    expect(coverage(by, { ...flow, inDevice: null })).toBe('maybe');
    expect(coverage(firewallRule({ family: 6 }), flow)).toBe('no');
    expect(coverage(firewallRule({ family: 'inet' }), flow)).toBe('yes');
  });
});

describe('the rules that a flow reaches', () => {
  it('asks every table, raw before filter, and a policy last', () => {
    const raw = firewallRule({ table: 'raw', chain: 'PREROUTING', match: { understood: false } });
    const policy = firewallRule({ isPolicy: true });
    const last = firewallRule({ match: { understood: false } });
    expect(names([policy, last, raw])).toEqual(['raw PREROUTING maybe', 'filter INPUT maybe', 'filter INPUT yes']);
  });

  it('follows jumps, comes back from a return, and is not caught in a loop', () => {
    const jump = (chain: string, jumpTo: string) =>
      firewallRule({ chain, jumpTo, verdict: 'jump', text: `-j ${jumpTo}` });
    const back = firewallRule({ chain: 'one', verdict: 'other', text: '-A one -j RETURN' });
    const behindReturn = firewallRule({ chain: 'one' });
    expect(names([jump('INPUT', 'one'), back, behindReturn, firewallRule()])).toEqual(['filter INPUT yes']);
    expect(names([jump('INPUT', 'one'), jump('one', 'two'), jump('two', 'one'), firewallRule()])).toEqual([
      'filter INPUT yes',
    ]);
  });

  it('weakens what lies behind an uncertain jump, or behind an accept for the port that cannot be told', () => {
    const maybe = firewallRule({ jumpTo: 'one', verdict: 'jump', match: { understood: false } });
    expect(names([maybe, firewallRule({ chain: 'one' })])).toEqual(['filter one maybe']);
    const accept = firewallRule({ verdict: 'accept', match: { ...port1301, understood: false }, rose: null });
    expect(names([accept, firewallRule()])).toEqual(['filter INPUT maybe']);
    const otherAccept = firewallRule({ verdict: 'accept', match: { understood: false }, rose: null });
    expect(names([otherAccept, firewallRule()])).toEqual(['filter INPUT yes']);
  });

  it('follows the way through the node, or out of it, where that is asked', () => {
    const drops = firewall(...['INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'].map((chain) => firewallRule({ chain })));
    const hooked = { ...drops, rules: drops.rules.map((r) => ({ ...r, hook: r.chain.toLowerCase() })) };
    const chains = (hooks?: readonly string[]) =>
      reachedRules(hooked, flow, ['drop'], hooks).map(({ rule }) => rule.chain);
    expect(chains()).toEqual(['INPUT']);
    expect(chains(forwardHooks)).toEqual(['FORWARD', 'POSTROUTING']);
    expect(chains(outboundHooks)).toEqual(['OUTPUT', 'POSTROUTING']);
  });

  it('knows a port that is handed on', () => {
    const kubeNodePort = [
      firewallRule({
        table: 'nat',
        chain: 'PREROUTING',
        jumpTo: 'KUBE-NODEPORTS',
        verdict: 'jump',
        text: '-j KUBE-NODEPORTS',
      }),
      firewallRule({ table: 'nat', chain: 'KUBE-NODEPORTS', jumpTo: 'KUBE-SVC-X', verdict: 'jump', match: port1301 }),
    ];
    expect(isTranslated(firewall(...kubeNodePort), flow)).toBe(true);
    expect(isTranslated(firewall(firewallRule()), flow)).toBe(false);
  });
});
