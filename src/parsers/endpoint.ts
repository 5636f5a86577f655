import { address } from './ip-address.ts';

/** `address:port` as tools print it. `*` stands for any, in either place. */
export interface EndpointText {
  /** Canonical address without brackets and zone, or `*`. */
  readonly address: string;
  /** 0 for `*`. */
  readonly port: number;
}

/**
 * Reads `10.0.0.1:80`, `[::1]:80`, `:::80` (old ss: address `::`), `*:80`, `0.0.0.0%lo:80`, `127.0.0.1:ssh`; undefined
 * for everything else.
 */
export function endpoint(text: string): EndpointText | undefined {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) return undefined;
  const port = portNumber(text.slice(colon + 1));
  if (port === undefined) return undefined;
  const host = text.slice(0, colon);
  if (host === '*' || host.startsWith('*%')) return { address: '*', port };
  const canonical = address(host);
  return canonical === undefined ? undefined : { address: canonical, port };
}

/** A port by number or by one of the service names that tools without `-n` print. `*` is 0. */
export function portNumber(text: string): number | undefined {
  if (text === '*') return 0;
  if (/^\d{1,5}$/.test(text)) {
    const port = Number(text);
    return port <= 65535 ? port : undefined;
  }
  return serviceNames.get(text);
}

/** IANA names of ports that listen on ordinary nodes (/etc/services). */
const serviceNames: ReadonlyMap<string, number> = new Map([
  ['ftp', 21],
  ['ssh', 22],
  ['telnet', 23],
  ['smtp', 25],
  ['domain', 53],
  ['bootps', 67],
  ['bootpc', 68],
  ['tftp', 69],
  ['http', 80],
  ['pop3', 110],
  ['sunrpc', 111],
  ['ntp', 123],
  ['imap2', 143],
  ['imap', 143],
  ['snmp', 161],
  ['snmp-trap', 162],
  ['ldap', 389],
  ['https', 443],
  ['syslog', 514],
  ['ipp', 631],
  ['ldaps', 636],
  ['rsync', 873],
  ['imaps', 993],
  ['pop3s', 995],
  ['nfs', 2049],
  ['mysql', 3306],
  ['ms-wbt-server', 3389],
  ['postgresql', 5432],
  ['postgres', 5432],
  ['mdns', 5353],
  ['amqp', 5672],
  ['x11', 6000],
  ['http-alt', 8080],
  ['webcache', 8080],
]);
