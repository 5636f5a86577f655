import { describe, expect, it } from 'vitest';
import { getentAhosts } from '../../src/parsers/getent-ahosts.ts';
import { hosts } from '../../src/parsers/hosts.ts';
import { parseText, withoutAt } from './parse-text.ts';

const argv = ['getent', 'ahosts', 'web.default'];

describe('getent-ahosts', () => {
  it('tells a look-up that did not end from a name that is not there', () => {
    const input = {
      stdout: new Uint8Array(),
      stderr: new Uint8Array(),
      argv: ['getent', 'ahosts', 'nacos'],
      evidence: 'x',
    };
    expect(getentAhosts.parse({ ...input, exitCode: null }).value).toMatchObject({ name: 'nacos', unanswered: true });
    expect(getentAhosts.parse({ ...input, exitCode: 2 }).value).not.toHaveProperty('unanswered');
  });

  it('has each address once, in the order of the answer', () => {
    const { value, problems } = parseText(getentAhosts, getentAhosts.sample, { argv });
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({ name: 'web.default', addresses: ['10.96.0.1', 'fd00:10::1'] });
  });

  it('is an empty answer only where getent itself says that there is none', () => {
    expect(parseText(getentAhosts, '', { argv, exitCode: 2 }).value).toMatchObject({ addresses: [] });
    expect(
      parseText(getentAhosts, '', { argv: ['nsenter', '-t', '7', '-n', '/usr/bin/getent', 'ahosts', 'x'], exitCode: 2 })
        .value,
    ).toMatchObject({ name: 'x', addresses: [] });
    expect(parseText(getentAhosts, '', { argv, exitCode: 1 }).value).toBeUndefined();
    expect(parseText(getentAhosts, '', { argv, exitCode: null }).value).toHaveProperty('unanswered');
    expect(parseText(getentAhosts, '', { argv: ['host', 'x'], exitCode: 2 }).value).toBeUndefined();
  });

  it('takes the zone off a link-local address, and maps IPv4 back', () => {
    const text = 'fe80::1%eth0    STREAM node\n::ffff:10.0.0.5 STREAM\n';
    expect(parseText(getentAhosts, text, { argv }).value?.addresses).toEqual(['fe80::1', '10.0.0.5']);
  });
});

describe('hosts', () => {
  it('reads names behind an address, with comments and tabs', () => {
    const text = '127.0.0.1\tlocalhost # myself\n\n#10.0.0.9 gone\n10.244.1.7  web-0.web web-0\n::ffff:10.0.0.5 five\n';
    const { value, problems } = parseText(hosts, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { address: '127.0.0.1', names: ['localhost'] },
      { address: '10.244.1.7', names: ['web-0.web', 'web-0'] },
      { address: '10.0.0.5', names: ['five'] },
    ]);
    expect(value?.[1]?.at.line).toBe(4);
  });

  it('is an empty list where the file is empty, and nothing where it is not there', () => {
    expect(parseText(hosts, '').value).toEqual([]);
    expect(parseText(hosts, '# nothing\n').value).toEqual([]);
    expect(parseText(hosts, '', { stderr: 'cat: /etc/hosts: No such file or directory\n', exitCode: 1 }).value).toBe(
      undefined,
    );
  });

  it('bounds the names of a line and the lines, and says what was dropped', () => {
    const long = parseText(hosts, `10.0.0.1 ${'n '.repeat(5000)}\n`);
    expect(long.value?.[0]?.names).toHaveLength(200);
    expect(long.problems[0]?.message).toBe('5000 names: only 200 of them are kept');
    const many = parseText(hosts, '10.0.0.1 ad\n'.repeat(5002));
    expect(many.value).toHaveLength(5000);
    expect(many.problems[0]?.message).toBe('2 more lines than the 5000 that are kept');
  });
});
