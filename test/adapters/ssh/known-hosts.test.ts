import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  fingerprint,
  hostKeyAlgorithms,
  judgeHostKey,
  keyTypeOf,
  knownHostsLine,
  knownHostsName,
  matchesHost,
  parseKnownHosts,
} from '../../../src/adapters/ssh/known-hosts.ts';
import { makeSshKeyPair } from '../../fakes/ssh-keys.ts';

const noKeygen = existsSync('/usr/bin/ssh-keygen') ? undefined : 'ssh-keygen is not installed';

const keyOf = (line: string): Buffer => Buffer.from(line.split(' ')[1] ?? '', 'base64');

const ed = makeSshKeyPair('ed25519').public;
const otherEd = makeSshKeyPair('ed25519').public;
const rsa = makeSshKeyPair('rsa').public;
const ecdsa = makeSshKeyPair('ecdsa').public;
const judge = (file: string, address: string, key: string, port = 22, alias?: string): string =>
  judgeHostKey(parseKnownHosts(file, 'known_hosts'), { address, port, alias }, keyOf(key)).verdict;

describe('known_hosts', () => {
  it.each([
    ['a plain name', `node-12 ${ed}`, 'node-12', 22, 'known'],
    ['a name in capitals', `Node-12 ${ed}`, 'NODE-12', 22, 'known'],
    ['one of several names', `a,10.0.0.12,b ${ed}`, '10.0.0.12', 22, 'known'],
    ['another name', `node-12 ${ed}`, 'node-13', 22, 'unknown'],
    ['a port in brackets', `[node-12]:2222 ${ed}`, 'node-12', 2222, 'known'],
    ['another port in brackets', `[node-12]:2222 ${ed}`, 'node-12', 2223, 'unknown'],
    ['a bracketed port does not count for 22', `[node-12]:2222 ${ed}`, 'node-12', 22, 'unknown'],
    ['the same key without port counts for any port', `node-12 ${ed}`, 'node-12', 2222, 'known'],
    ['another key without port says nothing about a port', `node-12 ${otherEd}`, 'node-12', 2222, 'unknown'],
    ['wildcards', `10.0.*.1? ${ed}`, '10.0.7.12', 22, 'known'],
    ['a dot is a dot', `10.0.0.1 ${ed}`, '10.0.001', 22, 'unknown'],
    ['negation', `10.0.*,!10.0.0.12 ${ed}`, '10.0.0.12', 22, 'unknown'],
    ['negation of others', `10.0.*,!10.0.0.13 ${ed}`, '10.0.0.12', 22, 'known'],
    ['another key', `node-12 ${otherEd}`, 'node-12', 22, 'changed'],
    ['a key of another type', `node-12 ${rsa}`, 'node-12', 22, 'changed'],
    ['one of two keys', `node-12 ${otherEd}\nnode-12 ${ed}`, 'node-12', 22, 'known'],
    ['a revoked key', `@revoked * ${ed}\nnode-12 ${ed}`, 'node-12', 22, 'revoked'],
    ['a revoked key on another port', `@revoked node-12 ${ed}\n[node-12]:2222 ${ed}`, 'node-12', 2222, 'revoked'],
    ['another revoked key', `@revoked * ${otherEd}\nnode-12 ${ed}`, 'node-12', 22, 'known'],
    ['only a certificate authority', `@cert-authority *.example ${ed}`, 'a.example', 22, 'certAuthority'],
    ['an authority and a plain key', `@cert-authority * ${otherEd}\nnode-12 ${ed}`, 'node-12', 22, 'known'],
    ['an unknown marker', `@surely node-12 ${ed}`, 'node-12', 22, 'unknown'],
    [
      'comments, blank and damaged lines',
      `# node-12 ${ed}\n\nnode-12\nnode-12 ssh-ed25519 AAAA\n\tnode-12 ${ed} a comment`,
      'node-12',
      22,
      'known',
    ],
    ["a type that is not the key's", `node-12 ssh-rsa ${ed.split(' ')[1] ?? ''}`, 'node-12', 22, 'unknown'],
    ['carriage returns', `node-12 ${ed}\r\n`, 'node-12', 22, 'known'],
  ])('%s', (_name, file, address, port, verdict) => {
    expect(judge(file, address, ed, port)).toBe(verdict);
  });

  it('looks an alias up instead of address and port', () => {
    expect(judge(`the-node ${ed}`, '10.0.0.12', ed, 2222, 'the-node')).toBe('known');
    expect(judge(`[10.0.0.12]:2222 ${ed}`, '10.0.0.12', ed, 2222, 'the-node')).toBe('unknown');
  });

  it('says in which file and line a key is recorded', () => {
    const recorded = [
      ...parseKnownHosts(`x ${rsa}`, 'first'),
      ...parseKnownHosts(`\n# c\nnode-12 ${otherEd}`, 'second'),
    ];
    expect(judgeHostKey(recorded, { address: 'node-12', port: 22 }, keyOf(ed))).toMatchObject({
      verdict: 'changed',
      recorded: [{ file: 'second', line: 3 }],
    });
  });

  it('asks for the algorithms of the recorded keys', () => {
    const recorded = parseKnownHosts(`node-12 ${rsa}\nnode-12 ${ed}\nnode-13 ${ecdsa}\n@revoked node-12 ${ecdsa}`, 'f');
    expect(hostKeyAlgorithms(recorded, { address: 'node-12', port: 22 })).toEqual([
      'ssh-ed25519',
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-rsa',
    ]);
    expect(hostKeyAlgorithms(recorded, { address: 'node-13', port: 2222 })).toEqual(['ecdsa-sha2-nistp256']);
    expect(hostKeyAlgorithms(recorded, { address: 'node-14', port: 22 })).toEqual([]);
  });

  it('writes a line that it can read', () => {
    const host = { address: 'fe80::1', port: 2222 };
    const line = knownHostsLine(host, keyOf(ed));
    expect(line).toBe(`[fe80::1]:2222 ${ed}`);
    expect(judge(line, 'fe80::1', ed, 2222)).toBe('known');
    expect(knownHostsName({ address: 'A', port: 22 })).toBe('a');
  });

  it('never fails on a damaged key or hash', () => {
    expect(keyTypeOf(Buffer.alloc(0))).toBe('');
    expect(keyTypeOf(Buffer.from([0, 0, 0, 50, 1]))).toBe('');
    expect(matchesHost('|1|', 'a')).toBe(false);
    expect(matchesHost('|1|x|y', 'a')).toBe(false);
    expect(matchesHost('|2|AAAA|BBBB', 'a')).toBe(false);
  });

  describe.skipIf(noKeygen !== undefined)(
    `beside ssh-keygen${noKeygen === undefined ? '' : ` (skipped: ${noKeygen})`}`,
    () => {
      let directory: string;
      beforeAll(async () => {
        directory = await mkdtemp(path.join(tmpdir(), 'netcheck-known-hosts-'));
      });
      afterAll(() => rm(directory, { recursive: true, force: true }));

      it('reads what ssh-keygen -H hashed', async () => {
        const file = path.join(directory, 'hashed');
        await writeFile(file, `node-12 ${ed}\n[10.0.0.12]:2222 ${rsa}\n`);
        execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'ignore' });
        const text = await readFile(file, 'utf8');
        expect(text).not.toContain('node-12');
        expect(judge(text, 'node-12', ed)).toBe('known');
        expect(judge(text, '10.0.0.12', rsa, 2222)).toBe('known');
        expect(judge(text, '10.0.0.12', ed, 2222)).toBe('changed');
        expect(judge(text, 'node-13', ed)).toBe('unknown');
      });

      it.each([
        ['ed25519', ed],
        ['rsa', rsa],
        ['ecdsa', ecdsa],
      ])('prints the fingerprint of an %s key as ssh-keygen -lf', async (name, line) => {
        const file = path.join(directory, `${name}.pub`);
        await writeFile(file, `${line}\n`);
        const theirs = execFileSync('ssh-keygen', ['-lf', file]).toString().split(' ')[1];
        expect(fingerprint(keyOf(line))).toBe(theirs);
      });
    },
  );
});
