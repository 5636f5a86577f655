import { isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endpoint } from '../../src/parsers/endpoint.ts';
import { address, addressFromHex, ipv4, ipv6 } from '../../src/parsers/ip-address.ts';

describe('addresses', () => {
  it.each([
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['fe80:0:0:0:0:0:0:0', 'fe80::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['[::FFFF:0a00:0001]', '10.0.0.1'],
    ['[fe80::1]%eth0', 'fe80::1'],
    ['[fe80::1%eth0]', 'fe80::1'],
    ['127.0.0.53%lo', '127.0.0.53'],
    ['10.0.0.1', '10.0.0.1'],
  ])('spells %s as RFC 5952 does', (text, canonical) => {
    expect(address(text)).toBe(canonical);
  });

  it.each([
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'g::',
    '256.0.0.1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.x',
    '::1.2.3',
    '1.2.3.4::',
  ])('refuses %s', (text) => {
    expect(address(text)).toBeUndefined();
  });

  it('accepts what node accepts, and its spelling is stable', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const canonical = ipv6(text);
        expect(canonical).toBeDefined();
        expect(isIP(canonical ?? '')).not.toBe(0);
        expect(address(canonical ?? '')).toBe(canonical);
      }),
    );
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(ipv4(text)).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (text) => {
        if (ipv6(text) !== undefined) expect(isIP(text)).toBe(6);
      }),
    );
  });

  it('reads the hexadecimal of /proc/net/tcp and of /proc/net/ip_vs', () => {
    expect(addressFromHex('0100007F', 'hostOrder')).toBe('127.0.0.1');
    expect(addressFromHex('0A62003C', 'networkOrder')).toBe('10.98.0.60');
    expect(addressFromHex('00000000000000000000000001000000', 'hostOrder')).toBe('::1');
    expect(addressFromHex('0000000000000000FFFF00000100007F', 'hostOrder')).toBe('127.0.0.1');
    expect(addressFromHex('4606012600F1019E000000004C3A0000', 'hostOrder')).toBe('2601:646:9e01:f100::3a4c');
    expect(addressFromHex('0100007', 'hostOrder')).toBeUndefined();
  });
});

describe('endpoint', () => {
  it.each([
    ['0.0.0.0:80', '0.0.0.0', 80],
    [':::80', '::', 80],
    ['[::]:80', '::', 80],
    ['*:80', '*', 80],
    ['*%eth0:546', '*', 546],
    ['0.0.0.0:*', '0.0.0.0', 0],
    ['*:*', '*', 0],
    ['0.0.0.0%virbr0:67', '0.0.0.0', 67],
    ['[fe80::9cc5:aeff:fec5:34ae]%eth0:123', 'fe80::9cc5:aeff:fec5:34ae', 123],
    ['::ffff:10.0.0.1:8080', '10.0.0.1', 8080],
    ['127.0.0.1:ssh', '127.0.0.1', 22],
    ['::1:25', '::1', 25],
  ])('reads %s', (text, host, port) => {
    expect(endpoint(text)).toEqual({ address: host, port });
  });

  it.each(['', ':80', '80', 'localhost:80', '10.0.0.1:65536', '10.0.0.1:', '10.0.0.1:no-such-service', '*'])(
    'refuses %s',
    (text) => {
      expect(endpoint(text)).toBeUndefined();
    },
  );
});
