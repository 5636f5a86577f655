import type { Features, Ipvs, IpvsConnection, IpvsService } from '../../src/model/facts.ts';
import { at, target } from './facts.ts';

/** Builders for IPVS: what a test does not care about has an ordinary value. */

/** A node with IPVS, or (without files) one that has it not loaded. */
export function features(files: readonly string[] = ['/proc/net/ip_vs']): Features {
  return { uid: 0, tools: {}, modules: {}, files, at: at('01-look.out') };
}

/** The real server of {@link service}. */
export const server = { address: '10.244.3.2', port: 8080 } as const;

export function service(
  values: Partial<Omit<IpvsService, 'servers'>> & {
    readonly servers?: readonly Partial<IpvsService['servers'][number]>[];
  } = {},
): IpvsService {
  const { servers = [{}], ...rest } = values;
  return {
    protocol: 'tcp',
    ...target,
    scheduler: 'rr',
    at: at('14-ipvs.out', 4),
    ...rest,
    servers: servers.map((one, i) => ({
      ...server,
      forward: 'Masq',
      weight: 1,
      activeConnections: 1,
      inactiveConnections: 0,
      at: at('14-ipvs.out', 5 + i),
      ...one,
    })),
  };
}

export function entry(values: Partial<IpvsConnection> = {}): IpvsConnection {
  return {
    protocol: 'TCP',
    state: 'ESTABLISHED',
    expireSec: 890,
    source: { address: '10.12.1.2', port: 40_000 },
    virtual: target,
    destination: server,
    at: at('15-ipvs.out', 3),
    ...values,
  };
}

export function ipvs(values: Partial<Ipvs> = {}): Ipvs {
  return {
    services: [service()],
    connections: [],
    timeoutsSec: { tcp: 900, tcpfin: 120, udp: 300, at: at('16-ipvs.out', 1) },
    ...values,
  };
}
