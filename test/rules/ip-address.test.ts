import { describe, expect, it } from 'vitest';
import { familyOf, inPrefix, isLoopback, isWildcard, sameAddress } from '../../src/rules/ip-address.ts';

describe('addresses', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1', true],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1', true],
    ['fe80::1%eth0', 'fe80::1', true],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', true],
    ['::ffff:a00:1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['::1', '0.0.0.1', false],
    ['nonsense', 'other', false],
  ])('%s and %s are one: %s', (a, b, same) => {
    expect(sameAddress(a, b)).toBe(same);
  });

  it.each([
    ['10.1.2.3', '10.0.0.0/8', true],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['10.1.2.3', '0.0.0.0/0', true],
    ['10.1.2.3', '10.0.0.0/255.0.0.0', true],
    ['11.1.2.3', '10.0.0.0/255.0.0.0', false],
    ['10.1.2.3', '10.0.0.0/0.0.0.0', true],
    ['10.1.2.3', '10.1.2.1-10.1.2.9', true],
    ['10.1.2.9', '10.1.2.1-10.1.2.9', true],
    ['10.1.2.1', '10.1.2.1-10.1.2.9', true],
    ['10.1.2.30', '10.1.2.1-10.1.2.9', false],
    ['2001:db8::7', '2001:db8::/32', true],
    ['10.1.2.3', '::/0', false],
    ['10.1.2.3', '@blocked', null],
    ['10.1.2.3', '10.0.0.0/33', null],
    ['10.1.2.3', '10.0.0.0/255.0.255.0', null],
    ['nonsense', '10.0.0.0/8', null],
  ])('%s lies in %s: %s', (address, prefix, lies) => {
    expect(inPrefix(address, prefix)).toBe(lies);
  });

  it('knows families, loopback and wildcards', () => {
    expect([familyOf('1.2.3.4'), familyOf('::1'), familyOf('1.2.3'), familyOf('1:2'), familyOf('1::2::3')]).toEqual([
      4,
      6,
      null,
      null,
      null,
    ]);
    expect(['127.0.0.53', '::1', '::ffff:127.0.0.1', '10.0.0.1', 'x'].map(isLoopback)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(['0.0.0.0', '::', '10.0.0.0', 'x'].map(isWildcard)).toEqual([true, true, false, false]);
  });
});
