import { describe, expect, it } from 'vitest';
import {
  isPortUnreachable,
  isProhibited,
  isTimeExceeded,
  isUndeliverable,
  rejectionOf,
} from '../../src/rules/icmp-meaning.ts';
import { icmp } from './facts.ts';

const meanings = (version: 4 | 6, type: number, code: number) => {
  const error = icmp({ version, type, code });
  return [
    rejectionOf(error, 'tcp'),
    isProhibited(error) && 'prohibited',
    isUndeliverable(error) && 'undeliverable',
    isTimeExceeded(error) && 'time exceeded',
    isPortUnreachable(error) && 'port unreachable',
  ].filter(Boolean);
};

describe('what an ICMP error means for a connect', () => {
  it.each([
    [4, 3, 0, ['undeliverable']],
    [4, 3, 1, ['undeliverable']],
    [4, 3, 3, ['refused', 'port unreachable']],
    [4, 3, 4, []],
    [4, 3, 9, ['unreachable', 'prohibited']],
    [4, 3, 10, ['unreachable', 'prohibited']],
    [4, 3, 13, ['unreachable', 'prohibited']],
    [4, 11, 0, ['time exceeded']],
    [4, 11, 1, []],
    [4, 1, 4, []],
    [6, 1, 0, ['undeliverable']],
    [6, 1, 1, ['unreachable', 'prohibited']],
    [6, 1, 3, ['undeliverable']],
    [6, 1, 4, ['refused', 'port unreachable']],
    [6, 3, 0, ['time exceeded']],
    [6, 2, 0, []],
    [6, 3, 4, []],
  ] as const)('version %d type %d code %d: %j', (version, type, code, means) => {
    expect(meanings(version, type, code)).toEqual(means);
  });

  it('takes port unreachable for a rejection of TCP only', () => {
    expect(rejectionOf(icmp({ code: 3 }), 'udp')).toBe(null);
    expect(rejectionOf(icmp({ code: 13 }), 'udp')).toBe('unreachable');
  });
});
