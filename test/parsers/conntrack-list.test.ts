import { describe, expect, it } from 'vitest';
import { conntrackList } from '../../src/parsers/conntrack-list.ts';

const encoder = new TextEncoder();
const read = (argv: readonly string[], exitCode: number, stderr = '') =>
  conntrackList.parse({
    stdout: new Uint8Array(0),
    stderr: encoder.encode(stderr),
    argv: [...argv],
    exitCode,
    evidence: 'evidence/node-1/09-conntrack-table.out',
  }).value;

describe('conntrack-list', () => {
  it('takes grep that found nothing for "none", and grep that failed for no answer', () => {
    const grep = ['nsenter', '--net=/run/netns/app', '--', 'grep', '-E', 'dport=80 ', '/proc/net/nf_conntrack'];
    expect(read(grep, 1)).toEqual([]);
    expect(read(grep, 2, 'grep: /proc/net/nf_conntrack: Permission denied\n')).toBeUndefined();
    expect(read(grep, 1, 'sudo: a password is required\n')).toBeUndefined();
    expect(read(['conntrack', '-L'], 1)).toBeUndefined();
  });
});
