import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type HostKeyName,
  knownHostsName,
  matchesHost,
  parseKnownHosts,
} from '../../../src/adapters/ssh/known-hosts.ts';
import { indexKnownHosts } from '../../../src/adapters/ssh/known-hosts-index.ts';

const key = 'AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl';
const salt = Buffer.from('twenty bytes of salt');
const text = [
  'node-1',
  '[10.0.0.1]:2222,node-1',
  'NODE-2,10.0.0.2',
  '*.example.com,!bad.example.com',
  `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update('node-1').digest('base64')}`,
  '@revoked node-1',
  '@cert-authority *',
]
  .map((hosts) => `${hosts} ssh-ed25519 ${key}\n`)
  .join('');

describe('the index of known_hosts', () => {
  const lines = parseKnownHosts(text, 'known_hosts');
  const index = indexKnownHosts(lines);

  it.each<HostKeyName>([
    { address: 'node-1', port: 22 },
    { address: 'Node-1', port: 2222 },
    { address: '10.0.0.1', port: 2222 },
    { address: '10.0.0.1', port: 22 },
    { address: '10.0.0.2', port: 2022 },
    { address: 'a.example.com', port: 22 },
    { address: 'bad.example.com', port: 22 },
    { address: '10.0.0.9', port: 2222, alias: 'node-2' },
    { address: 'nobody', port: 22 },
  ])('finds what reading every line finds: %o', (host) => {
    const names = [knownHostsName(host), knownHostsName({ ...host, port: 22 })];
    const wanted = lines.filter((line) => names.some((name) => matchesHost(line.hosts, name)));
    expect(index.of(host)).toEqual(wanted);
    // and again, from what it remembers
    expect(index.of(host)).toEqual(wanted);
  });
});
