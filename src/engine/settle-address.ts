import { NetcheckError } from '../model/errors.ts';
import { IpAddress } from '../model/inventory.ts';

/** Looks a host name up where netcheck runs: all its addresses, best first. Rejects where there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/**
 * One spelling per address, so that two of them can be compared as text and the sudoers file has only to allow one:
 * RFC 5952 for IPv6, and the IPv4 address in an IPv4-mapped one (the packets are IPv4). What is no address stays as it is.
 */
export function canonicalAddress(address: string): string {
  if (!address.includes(':') || !IpAddress.safeParse(address).success) return address;
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (!mapped) return text;
  const bits = [mapped[1], mapped[2]].map((group) => Number.parseInt(group ?? '0', 16));
  return bits.flatMap((group) => [group >> 8, group & 255]).join('.');
}

/** Addresses that mean "this machine" on every machine: nobody owns them, and a probe to them never leaves its node. */
export function isOnEveryNode(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address === '0.0.0.0' || address === '::';
}

/**
 * The IP address that a node's packets will carry: capture filters, probes and route look-ups take nothing else, and
 * two look-ups of one name may differ.
 *
 * @returns undefined where the name has no address here
 */
export async function settleAddress(address: string, lookup: Lookup | undefined): Promise<string | undefined> {
  if (IpAddress.safeParse(address).success) return canonicalAddress(address);
  const found = (await lookup?.(address).catch(() => [])) ?? [];
  return found.map(canonicalAddress).find((one) => IpAddress.safeParse(one).success);
}

/** The same for the target, without which there is no run. @throws NetcheckError `ask/bad-name` */
export async function settleTarget(node: string, address: string, lookup: Lookup | undefined): Promise<string> {
  const settled = await settleAddress(address, lookup);
  const hint = `Give ${node} a "target" in netcheck.yaml: the IP address that is to be diagnosed.`;
  const inChinese = (message: string) => ({
    zh: { message, hint: `请在 netcheck.yaml 中给 ${node} 一个 "target"：要诊断的 IP 地址。` },
  });
  if (settled === undefined)
    throw new NetcheckError(
      'ask/bad-name',
      `${node} is at "${address.slice(0, 60)}", and that name has no address here.`,
      hint,
      inChinese(`${node} 的地址是 "${address.slice(0, 60)}"，这个名字在这里没有地址。`),
    );
  if (settled !== canonicalAddress(address) && isOnEveryNode(settled))
    throw new NetcheckError(
      'ask/bad-name',
      `${node} is at "${address.slice(0, 60)}", and here that name means ${settled}, which is this machine.`,
      hint,
      inChinese(`${node} 的地址是 "${address.slice(0, 60)}"，这个名字在这里指 ${settled}，也就是本机。`),
    );
  return settled;
}
