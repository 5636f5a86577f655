import type { IpvsService, IpvsConnection, Ipvs } from '../model/facts.ts';

/** What `ipvsadm -Ln` and /proc/net/ip_vs give to the ipvs fact. */
export interface IpvsServices {
  readonly services: readonly IpvsService[];
}

/** What `ipvsadm -Lnc` and /proc/net/ip_vs_conn give. */
export interface IpvsConnections {
  readonly connections: readonly IpvsConnection[];
}

/** What `ipvsadm -l --timeout` gives. */
export interface IpvsTimeouts {
  readonly timeoutsSec: NonNullable<Ipvs['timeoutsSec']>;
}

export type IpvsServer = IpvsService['servers'][number];

/** A service whose servers are still being read. */
export type OpenService = Omit<IpvsService, 'servers'> & { readonly servers: IpvsServer[] };

/** `TCP`, `UDP`, `SCTP`, `FWM` of a service line, lower case; undefined for anything else. */
export function ipvsProtocol(word: string): IpvsService['protocol'] | undefined {
  const lower = word.toLowerCase();
  return lower === 'tcp' || lower === 'udp' || lower === 'sctp' || lower === 'fwm' ? lower : undefined;
}
