import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAsk, questionText } from '../../src/engine/ask.ts';
import { NetcheckError } from '../../src/model/errors.ts';

const node = (name: string) => ({ kind: 'node', node: name });

function refusal(text: string): NetcheckError {
  try {
    parseAsk(text);
  } catch (error) {
    if (error instanceof NetcheckError) return error;
    throw error;
  }
  throw new Error(`"${text}" was accepted`);
}

describe('the grammar of an ask', () => {
  it.each([
    ['node-50 port 1301'],
    ['check node-50 port 1301'],
    ['node-50:1301'],
    ['node-50\u00a0port\u00a01301'],
    ['node-50 port=1301'],
    ['<http://node-50|node-50> port 1301'],
    ['node-50 port <tel:1301|1301>'],
    ['*node-50* port `1301`'],
    ['“node-50” port 1301'.replaceAll(/[“”]/g, '')],
    ['node-50 端口 1301'],
    ['node-50 端口1301'],
    ['NODE-50 PORT 1301'.replace('NODE', 'node')],
  ])('reads %j as node-50, port 1301', (text) => {
    const symptom = parseAsk(text);
    expect(symptom.target).toEqual(node('node-50'));
    expect(symptom.port).toBe(1301);
    expect(symptom.words).toEqual([]);
  });

  it.each(['constructor', 'toString', 'hasOwnProperty'])('takes %j for a name like any other', (word) => {
    expect(parseAsk(`${word} port 1301 from node-12`).target).toEqual(node(word));
    expect(parseAsk(`node-50 port 1301 ${word} node-12`)).toMatchObject({
      target: node('node-50'),
      words: [word, 'node-12'],
    });
  });

  it('reads which of several nodes with an address is meant', () => {
    expect(parseAsk('10.51.2.2 on node-51 port 80').target).toEqual({
      kind: 'address',
      address: '10.51.2.2',
      node: 'node-51',
    });
    expect(parseAsk('10.51.2.2 在 node-51 端口 80').target).toMatchObject({ node: 'node-51' });
    expect(parseAsk('10.51.2.2 on port 80')).toMatchObject({ target: { address: '10.51.2.2' }, words: ['on'] });
    expect(parseAsk('node-50 on node-51 port 80').words).toEqual(['on', 'node-51']);
  });

  it.each([
    'node-50 port 1301',
    'node-50 netns 4321 port 53 from node-12 from pod shop/cart-1 via node-30 udp size 1400 for 20000ms playbook dns-slow sometimes slow',
    '10.51.2.2 on node-51 port 80 from 2001:db8::5',
  ])('says %j again as it was said', (text) => {
    expect(questionText(parseAsk(text))).toBe(text);
    expect(parseAsk(questionText(parseAsk(text)))).toEqual(parseAsk(text));
  });

  it('reads every part of the grammar, in any order', () => {
    const symptom = parseAsk(
      'node-50 udp port 53 from node-12, 10.0.0.9 from pod shop/cart-1 via node-30 size 1400 for 20s playbook dns-slow sometimes slow',
    );
    expect(symptom).toMatchObject({
      target: node('node-50'),
      port: 53,
      protocol: 'udp',
      via: [node('node-30')],
      sizeBytes: 1400,
      watchMs: 20_000,
      playbook: 'dns-slow',
    });
    expect(symptom.from).toEqual([
      node('node-12'),
      { kind: 'address', address: '10.0.0.9' },
      { kind: 'kubernetes', object: 'pod', namespace: 'shop', name: 'cart-1' },
    ]);
    expect(symptom.words).toEqual(['sometimes', 'slow']);
  });

  it('reads network namespaces behind nodes: pids, names, container ids', () => {
    const symptom = parseAsk(
      'node-50 netns 4321 port 1301 from node-12 netns web, node-13 netns 0a1b2c3d4e5f via node-30',
    );
    expect(symptom.target).toEqual({ ...node('node-50'), netns: '4321' });
    expect(symptom.from).toEqual([
      { ...node('node-12'), netns: 'web' },
      { ...node('node-13'), netns: '0a1b2c3d4e5f' },
    ]);
    expect(symptom.via).toEqual([node('node-30')]);
    expect(parseAsk('node-50 port 1301').target).toEqual(node('node-50'));
  });

  it('reads "from a and b" as two sources', () => {
    expect(parseAsk('node-50 port 1301 from node-12 and node-13').from).toEqual([node('node-12'), node('node-13')]);
  });

  it('reads Chinese without blanks', () => {
    const symptom = parseAsk('node-50 端口1301 从node-12 时通时不通');
    expect(symptom).toMatchObject({ port: 1301, from: [node('node-12')], words: ['时通时不通'] });
  });

  it.each([
    ['10.51.2.2 port 1301', { kind: 'address', address: '10.51.2.2' }, 1301],
    ['10.51.2.2:80', { kind: 'address', address: '10.51.2.2' }, 80],
    ['fd00::5 port 80', { kind: 'address', address: 'fd00::5' }, 80],
    ['[fd00::5]:443', { kind: 'address', address: 'fd00::5' }, 443],
    ['svc shop/cart:8080', { kind: 'kubernetes', object: 'svc', namespace: 'shop', name: 'cart' }, 8080],
    ['nodeport 30170', { kind: 'kubernetes', object: 'nodeport', name: '30170' }, 30_170],
  ])('reads the target of %j', (text, target, port) => {
    expect(parseAsk(text)).toMatchObject({ target, port });
  });

  it('keeps "for" as a word where no time follows', () => {
    expect(parseAsk('node-50 port 80 hangs for uploads').words).toEqual(['hangs', 'for', 'uploads']);
  });

  it.each([
    ['', 'ask/empty'],
    ['   ', 'ask/empty'],
    ['check', 'ask/empty'],
    ['node-50', 'ask/no-port'],
    ['node-50 port', 'ask/bad-port'],
    ['node-50 port 0', 'ask/bad-port'],
    ['node-50 port 70000', 'ask/bad-port'],
    ['node-50 port abc', 'ask/bad-port'],
    ['node-50 port 13.1', 'ask/bad-port'],
    ['node-50 port -1', 'ask/bad-port'],
    ['node-50;reboot port 1301', 'ask/bad-name'],
    ['$(id) port 1301', 'ask/bad-name'],
    ['`id` port 1301 from $(id)', 'ask/bad-name'],
    ['node-50 port 1301 from node-12|reboot', 'ask/bad-name'],
    ['--help port 1301', 'ask/bad-name'],
    ['300.1.2.3 port 80', 'ask/bad-name'],
    ['node-50 port 80 from', 'ask/bad-name'],
    ['node-50 netns', 'ask/bad-name'],
    ['node-50 netns $(id) port 80', 'ask/bad-name'],
    ['node-50 netns ../1 port 80', 'ask/bad-name'],
    ['node-50 netns -t port 80', 'ask/bad-name'],
    ['node-50 netns 12345678 port 80', 'ask/bad-name'],
    ['10.0.0.1 netns 12 port 80', 'ask/bad-name'],
    ['pod Shop/Cart port 80', 'ask/bad-name'],
    ['node-50 port 80 size 0', 'ask/bad-size'],
    ['node-50 port 80 size big', 'ask/bad-size'],
    ['node-50 port 80 for 0s', 'ask/bad-duration'],
    ['node-50 port 80 for 3600s', 'ask/bad-duration'],
    ['node-50 port 80 playbook ../etc', 'ask/unknown-playbook'],
    [`node-50 port 80 ${'x'.repeat(10_000)}`, 'ask/too-long'],
  ])('refuses %j with %s and says what would be right', (text, code) => {
    const error = refusal(text);
    expect(error.code).toBe(code);
    expect(error.message.length).toBeGreaterThan(10);
    expect(error.message.length).toBeLessThan(300);
    expect(error.hint).not.toBe('');
  });

  it('never shows control characters of what was typed', () => {
    expect(refusal('node\u001b[31m-50 port 80').message).not.toContain('\u001b');
  });

  it('returns a valid symptom or a NetcheckError for any text at all', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'node-50',
        'port',
        '1301',
        'from',
        'via',
        'size',
        'for',
        '20s',
        'pod',
        '端口',
        '从',
        '<http://a|b>',
        ';',
        '$(x)',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          const symptom = parseAsk(pieces.join(' '));
          const names = [symptom.target, ...symptom.from, ...symptom.via].map((target) =>
            target.kind === 'node' ? target.node : target.kind === 'address' ? target.address : target.name,
          );
          for (const name of names) expect(name).toMatch(/^[A-Za-z0-9:._-]+$/);
          expect(symptom.port).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(NetcheckError);
        }
      }),
    );
  });
});
