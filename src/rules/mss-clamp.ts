import type { Remedy } from '../model/report.ts';

/**
 * Lowers the MSS in SYNs that pass a node, so that no segment is larger than `mtu`. In POSTROUTING, because connections
 * of IPVS do not pass FORWARD from client to server.
 */
export function mssClamp(
  node: string,
  size: { readonly mtu: number; readonly family: 4 | 6 },
  words: { readonly text: string; readonly risk: string },
): Remedy {
  return { kind: 'temporary', node, text: words.text, ...clampCommands(size), risk: words.risk };
}

/** The commands of {@link mssClamp} alone, where it is not known which node they are for. */
export function clampCommands({
  mtu,
  family,
}: {
  readonly mtu: number;
  readonly family: 4 | 6;
}): Pick<Remedy, 'commands' | 'undo'> {
  const mss = mtu - (family === 6 ? 60 : 40);
  const rule = (what: '-A' | '-D'): string =>
    `${family === 6 ? 'ip6tables' : 'iptables'} -t mangle ${what} POSTROUTING -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss ${mss + 1}:65535 -j TCPMSS --set-mss ${mss}`;
  return { commands: [rule('-A')], undo: [rule('-D')] };
}
