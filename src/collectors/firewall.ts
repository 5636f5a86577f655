import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const bounds = { privilege: 'root', timeoutMs: 15_000, maxBytes: 16_777_216 } as const;

/**
 * Every rule with its packet count, before and after. iptables-save of either kind loads modules only where none of
 * them is in use, and then there are no rules to see.
 */
export const firewall = defineCollector({
  id: 'firewall',
  purpose: 'iptables and nftables rules with packet counts, before and after',
  params: z.strictObject({}),
  when: 'delta',
  beforeCaptures: true,
  provides: ['firewall'],
  commands: () => [
    {
      ...bounds,
      argv: ['iptables-save', '-c'],
      kind: 'iptables-save',
      tool: 'iptables-save',
      wouldLoad: { modules: ['nf_tables'], unlessFile: '/proc/net/ip_tables_names' },
    },
    {
      ...bounds,
      argv: ['ip6tables-save', '-c'],
      kind: 'ip6tables-save',
      tool: 'ip6tables-save',
      wouldLoad: { modules: ['nf_tables'], unlessFile: '/proc/net/ip6_tables_names' },
    },
    // Where iptables-save is the one of nf_tables, rules of the older kind are seen only by the older tool.
    {
      ...bounds,
      argv: ['iptables-legacy-save', '-c'],
      kind: 'iptables-save',
      tool: 'iptables-legacy-save',
      unlessTool: 'iptables-save:legacy',
      needsFile: '/proc/net/ip_tables_names',
      wouldLoad: { modules: ['ip_tables'], unlessFile: '/proc/net/ip_tables_names' },
    },
    {
      ...bounds,
      argv: ['nft', '-j', 'list', 'ruleset'],
      kind: 'nft-json',
      tool: 'nft',
      wouldLoad: { modules: ['nf_tables'] },
    },
  ],
});
