import { describe, expect, it } from 'vitest';
import { conntrackCount } from '../../src/parsers/conntrack-count.ts';
import { ipset } from '../../src/parsers/ipset.ts';
import { iptablesVersion } from '../../src/parsers/iptables-version.ts';
import { parseText, withoutAt } from './parse-text.ts';

describe('ipset', () => {
  it('reads headers of every type; what is not told is null', () => {
    const text = `Name: KUBE-CLUSTER-IP
Type: hash:ip,port
Revision: 6
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x3c5a1b2e
Size in memory: 1544
References: 3
Number of entries: 21

Name: ports
Type: bitmap:port
Revision: 3
Header: range 1-1024 timeout 60
Size in memory: 8268
References: 0

Name: all
Type: list:set
Revision: 3
Header: size 8
Size in memory: 208
References: 0
Number of entries: 2
`;
    const { value, problems } = parseText(ipset, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { name: 'KUBE-CLUSTER-IP', type: 'hash:ip,port', family: 'inet', entries: 21, maxEntries: 65_536 },
      { name: 'ports', type: 'bitmap:port', entries: null, maxEntries: null },
      { name: 'all', type: 'list:set', entries: 2, maxEntries: null },
    ]);
  });

  it('passes members over, even one that looks like a header', () => {
    const text = `Name: a
Type: hash:ip
Header: family inet6 hashsize 64 maxelem 99
Members:
Type: hash:mac
10.0.0.1 timeout 3 comment "Name: b"

Name: c
Type: hash:net
Members:
`;
    const { value, problems } = parseText(ipset, text);
    expect(problems).toEqual([]);
    expect(value?.map(({ name, type, maxEntries }) => [name, type, maxEntries])).toEqual([
      ['a', 'hash:ip', 99],
      ['c', 'hash:net', null],
    ]);
  });

  it('is an empty list where there is no set, and nothing where it may not look', () => {
    expect(parseText(ipset, '').value).toEqual([]);
    const stderr = 'ipset v7.17: Kernel error received: Operation not permitted\n';
    expect(parseText(ipset, '', { stderr, exitCode: 1 }).value).toBeUndefined();
  });
});

describe('iptables-version', () => {
  it.each([
    ['iptables v1.8.9 (nf_tables)', '1.8.9', 'nf_tables'],
    ['ip6tables v1.8.7 (legacy)', '1.8.7', 'legacy'],
    ['iptables v1.4.21', '1.4.21', 'legacy'],
    ['iptables v1.4.7', '1.4.7', 'legacy'],
  ])('%s', (text, version, backend) => {
    expect(withoutAt(parseText(iptablesVersion, `${text}\n`).value)).toEqual({ version, backend });
  });

  it('is no answer of another tool', () => {
    expect(parseText(iptablesVersion, 'nftables v1.0.6 (Lester Gooch #5)\n').value).toBeUndefined();
  });
});

describe('conntrack-count', () => {
  it('is one number', () => {
    expect(parseText(conntrackCount, '262144\n').value?.['conntrack.entries']?.value).toBe(262_144);
    expect(parseText(conntrackCount, '1\n2\n').problems).toEqual([
      { message: 'not the number of entries: 2', line: 2 },
    ]);
    expect(parseText(conntrackCount, '-1\n').value).toBeUndefined();
  });
});
