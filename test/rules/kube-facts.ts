import type { Features, Firewall, FirewallRule } from '../../src/model/facts.ts';
import type { ConntrackEntry, ConntrackTuple } from '../../src/model/node-facts.ts';
import { iptablesSave } from '../../src/parsers/iptables-save.ts';
import { nftJson } from '../../src/parsers/nft-json.ts';
import { parseText } from '../parsers/parse-text.ts';
import { textOf } from '../parsers/sample-kinds.ts';
import { at, clientAddress, target } from './facts.ts';

/** ClusterIP of `shop/cart:http` in {@link kubeRules}, and its two pods. */
export const cart = { address: '10.96.0.20', port: 80 } as const;
export const podA = { address: '10.244.1.2', port: 8080 } as const;
export const podB = { address: '10.244.2.2', port: 8080 } as const;
/** NodePort of `edge/ingress:http`, whose policy is Local and whose only pod runs on another node. */
export const edgePort = 30170;
/** ClusterIP of `shop/stock:http`, which has no endpoint. */
export const stock = { address: '10.96.0.40', port: 80 } as const;

/** What kube-proxy writes in iptables mode, as iptables-save printed it on a real kernel. */
export function kubeRules(
  values: {
    /** Part of a rule's text -> packets that it counted in the window. */
    readonly rose?: Readonly<Record<string, number>>;
    /** Rules that the first reading had and the second had not, or the reverse, by a part of their text. */
    readonly left?: string;
    readonly joined?: string;
  } = {},
): Firewall {
  const rules = (
    parseText(iptablesSave, textOf('debian/iptables-save-kube-proxy.txt'), { argv: ['iptables-save', '-c'] }).value ??
    []
  ).map((rule): FirewallRule => {
    const [, rise = 0] = Object.entries(values.rose ?? {}).find(([part]) => rule.text.includes(part)) ?? [];
    const isNew = values.joined !== undefined && rule.text.includes(values.joined);
    const packets = isNew ? { before: null, after: rise, delta: null } : { before: 0, after: rise, delta: rise };
    return { ...rule, packets, at: at('12-firewall.out', rule.at.line) };
  });
  const { left } = values;
  return left === undefined
    ? { rules, gone: [] }
    : {
        rules: rules.filter(({ text }) => !text.includes(left)),
        gone: rules.filter(({ text }) => text.includes(left)),
      };
}

/** The same in nftables mode: `ns1/svc1` has one pod, `ns2/svc2` none on this node (NodePort 3001), `ns6/svc6` none. */
export function kubeMaps(): Firewall {
  return { rules: parseText(nftJson, textOf('debian/nft-kube-proxy.txt')).value ?? [] };
}

const tuple = (values: Partial<ConntrackTuple>): ConntrackTuple => ({
  source: clientAddress,
  destination: target.address,
  sourcePort: 40_000,
  destinationPort: target.port,
  ...values,
});

/** A tracked connection to `to`, which NAT sends on to `backend`. */
export function tracked(
  values: Omit<Partial<ConntrackEntry>, 'original' | 'reply'> & {
    readonly from?: { readonly address: string; readonly port: number };
    readonly to?: { readonly address: string; readonly port: number };
    readonly backend?: { readonly address: string; readonly port: number };
    /** Source that MASQUERADE put in. */
    readonly as?: { readonly address: string; readonly port: number };
  } = {},
): ConntrackEntry {
  const { from = { address: clientAddress, port: 40_000 }, to = cart, backend = podA, as = from, ...rest } = values;
  return {
    protocol: 'tcp',
    timeoutSec: 110,
    unreplied: false,
    assured: true,
    original: tuple({
      source: from.address,
      sourcePort: from.port,
      destination: to.address,
      destinationPort: to.port,
    }),
    reply: tuple({
      source: backend.address,
      sourcePort: backend.port,
      destination: as.address,
      destinationPort: as.port,
    }),
    at: at('20-conntrack-table.out', 1),
    ...rest,
  };
}

/** A node without IPVS. */
export const noIpvs: Features = { uid: 0, tools: {}, modules: {}, files: [], at: at('01-look.out') };
