import type { At } from '../model/evidence.ts';
import type { Endpoint, Facts, IpvsService } from '../model/facts.ts';
import { askedAt } from './because.ts';
import { sameAddress } from './ip-address.ts';

const file = '/proc/net/ip_vs';

/** What a node's IPVS has to do with one address and port. */
export type IpvsHere =
  /** Nothing is known of this node. */
  | { readonly how: 'unlooked' }
  /** The kernel has no IPVS loaded: nothing can be forwarded by it. */
  | { readonly how: 'absent'; readonly at: At }
  /** IPVS is there, and its table was not read. */
  | { readonly how: 'unread' }
  /** It was read, and has no service for this address and port. */
  | { readonly how: 'other'; readonly at: At }
  | { readonly how: 'service'; readonly service: IpvsService; readonly at: At };

/** The service that `target` is the virtual address of; else one that has it as a real server. */
export function ipvsFor(
  { features, ipvs }: Pick<Facts, 'features' | 'ipvs'>,
  target: Endpoint,
  protocol: 'tcp' | 'udp',
): IpvsHere {
  if (ipvs?.services === undefined) {
    if (features === undefined) return { how: 'unlooked' };
    return features.files.includes(file) ? { how: 'unread' } : { how: 'absent', at: features.at };
  }
  const own = ipvs.services.filter((service) => service.protocol === protocol);
  const service =
    own.find((one) => isEndpoint(one, target)) ??
    own.find(({ servers }) => servers.some((server) => isEndpoint(server, target)));
  if (service !== undefined) return { how: 'service', service, at: service.at };
  const [first] = ipvs.services;
  return { how: 'other', at: first === undefined ? (features?.at ?? askedAt) : { evidence: first.at.evidence } };
}

/** Whether both are the same address and port. */
export function isEndpoint(one: Endpoint, other: Endpoint): boolean {
  return one.port === other.port && sameAddress(one.address, other.address);
}

/** Sentences of every rule about IPVS. */
export const ipvsText = {
  en: {
    noIpvs: 'IPVS is not loaded here (no /proc/net/ip_vs)',
    noService: (v: { service: string }) => `IPVS has no service for ${v.service} here`,
    ipvsNotRead: 'IPVS is loaded here, and its table was not read',
    notLooked: 'nothing is known of this node',
  },
  zh: {
    noIpvs: '这里没有加载 IPVS（没有 /proc/net/ip_vs）',
    noService: (v: { service: string }) => `这里的 IPVS 没有 ${v.service} 对应的服务`,
    ipvsNotRead: '这里加载了 IPVS，但没有读到它的表',
    notLooked: '对这个节点一无所知',
  },
} as const;
