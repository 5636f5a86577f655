import type { Link } from '../model/facts.ts';

/** Bytes that a tunnel puts around a packet on IPv4: ip(4) of iproute2's ip-link(8), RFC 2003, 2784, 7348, 8926. */
const overheads: ReadonlyMap<string, number> = new Map([
  ['ipip', 20],
  ['sit', 20],
  ['gre', 24],
  ['vxlan', 50],
  ['geneve', 50],
  ['wireguard', 60],
]);

/** Names that the CNIs give their tunnels, where `ip` did not tell the type. */
const names: readonly (readonly [RegExp, string])[] = [
  [/^tunl\d+$/, 'ipip'],
  [/^(?:vxlan\.calico|flannel\.\d+|vxlan\d*)$/, 'vxlan'],
  [/^geneve\d*$/, 'geneve'],
  [/^(?:wireguard\.cali|wg\d+|flannel-wg)$/, 'wireguard'],
  [/^gre\d+$/, 'gre'],
];

/**
 * Devices that carry the tunnels of all peers for a program: their MTU says nothing about the way. Those of Cilium have
 * the NIC's (its routes have a smaller one), those of Open vSwitch and Weave about 65000.
 */
const fedByProgram = /^(?:cilium_|vxlan_sys_|genev_sys_|vxlan-\d+$)/;

/** The tunnel that a device is, with what it adds to each packet; null: none that is known. */
export function tunnelOf({ name, type }: Pick<Link, 'name' | 'type'>): {
  readonly kind: string;
  readonly overheadBytes: number;
} | null {
  if (fedByProgram.test(name)) return null;
  const kind = type !== undefined && overheads.has(type) ? type : names.find(([form]) => form.test(name))?.[1];
  const overheadBytes = kind === undefined ? undefined : overheads.get(kind);
  return kind === undefined || overheadBytes === undefined ? null : { kind, overheadBytes };
}

/** What a tunnel of that kind (as the packet engine names it) adds; null: not known. */
export function overheadOf(kind: string): number | null {
  return overheads.get(kind) ?? null;
}
