import type { Connection, Endpoint } from '../model/facts.ts';

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function endpointText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `10.0.0.1:40000 > 10.0.0.2:80`, client first. */
export function connectionText({ client, server }: Connection): string {
  return `${endpointText(client)} > ${endpointText(server)}`;
}
