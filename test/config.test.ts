import { describe, expect, it } from 'vitest';
import { inventoryNodes, parseConfig } from '../src/config.ts';
import { NetcheckError } from '../src/model/errors.ts';

function problemsOf(text: string): readonly string[] {
  try {
    parseConfig(text, 'netcheck.yaml');
  } catch (error) {
    if (error instanceof NetcheckError) return error.message.split('\n');
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('netcheck.yaml', () => {
  it('fills in what is not said', () => {
    const config = parseConfig('nodes:\n  node-50: { address: 10.0.0.50 }\n', 'netcheck.yaml');
    expect(inventoryNodes({ config })).toEqual([
      { name: 'node-50', address: '10.0.0.50', serves: [], port: 22, labels: {}, sudo: false },
    ]);
    expect(config.defaults.budget).toMatchObject({ wall: 60_000, window: 12_000 });
    expect(config.language).toBe('en');
  });

  it('is empty where the file is empty', () => {
    expect(parseConfig('', 'netcheck.yaml').nodes).toEqual({});
  });

  it('lets remedies be tried only where grants name who may ask for it and who may approve it', () => {
    expect(parseConfig('', 'netcheck.yaml').remedies.apply).toBe(false);
    expect(problemsOf('access: [{ actions: [apply] }, {}]\nremedies:\n  apply: true\n')).toEqual([
      'netcheck.yaml:3:3: remedies.apply: no grant of access names the action approve, so nobody could; docs/changes.md shows one that does',
    ]);
    expect(
      parseConfig('access: [{ actions: [apply, approve] }]\nremedies: { apply: true }\n', 'netcheck.yaml').remedies,
    ).toEqual({ apply: true });
  });

  it('takes a group as a selector, or as a list that adds up', () => {
    const { groups, audit } = parseConfig(
      'groups: { edge: "role=web,rack!=r9", core: [node-1, db-*] }\n',
      'netcheck.yaml',
    );
    expect(groups).toEqual({ edge: 'role=web,rack!=r9', core: 'node-1 db-*' });
    expect(audit).toEqual({ concurrency: 32, compareBy: ['role'], keep: 30 });
    expect(problemsOf('audit: { concurrency: 9999 }\n')).toEqual([
      'netcheck.yaml:1:10: audit.concurrency: Too big: expected number to be <=512',
    ]);
  });

  it('gives every node the defaults of ssh, unless the node says otherwise', () => {
    const config = parseConfig(
      'ssh: { user: ops, sudo: true }\nnodes:\n  a: { address: 10.0.0.1 }\n  b: { address: 10.0.0.2, user: root, sudo: false }\n',
      'netcheck.yaml',
    );
    expect(inventoryNodes({ config }).map(({ name, user, sudo }) => ({ name, user, sudo }))).toEqual([
      { name: 'a', user: 'ops', sudo: true },
      { name: 'b', user: 'root', sudo: false },
    ]);
  });

  it.each([
    [
      'a port that is none',
      'nodes:\n  node-50:\n    address: 10.0.0.50\n    port: 70000\n',
      'netcheck.yaml:4:5: nodes.node-50.port: Too big',
    ],
    [
      'a key that does not exist',
      'nodes:\n  node-50:\n    addres: 10.0.0.50\n',
      'netcheck.yaml:3:5: nodes.node-50.addres: there is no such key, allowed here: address',
    ],
    ['an unknown key at the top', 'node: {}\n', 'netcheck.yaml:1:1: node: there is no such key, allowed here: nodes'],
    [
      'a missing address',
      'nodes:\n  node-50: {}\n',
      'netcheck.yaml:2:3: nodes.node-50.address: is missing, a string is needed',
    ],
    [
      'a language that netcheck does not speak',
      'language: fr\n',
      'netcheck.yaml:1:1: language: allowed are "en", "zh"',
    ],
    [
      'a duration without a unit',
      'ssh: { timeouts: { connect: 8 } }\n',
      'netcheck.yaml:1:20: ssh.timeouts.connect: Invalid input: expected string',
    ],
    [
      'a name with a semicolon',
      'nodes:\n  "node;reboot": { address: 10.0.0.1 }\n',
      'netcheck.yaml:2:3: nodes.node;reboot: a node name has only',
    ],
    [
      'an address with a blank',
      'nodes:\n  a: { address: "10.0.0.1 -oProxyCommand=x" }\n',
      'netcheck.yaml:2:8: nodes.a.address: an IP address or a host name',
    ],
    [
      'probeFrom that names nobody',
      'nodes: { a: { address: 10.0.0.1 } }\ndefaults: { probeFrom: [b] }\n',
      'netcheck.yaml:2:13: defaults.probeFrom names b, and nodes does not (there are: a)',
    ],
    [
      'probeFrom that names what every object has',
      'defaults: { probeFrom: [constructor] }\n',
      'netcheck.yaml:1:13: defaults.probeFrom names constructor',
    ],
    ['YAML that is broken', 'nodes:\n  a: [1, 2\n', 'netcheck.yaml:3:1: '],
    [
      'the same node twice',
      'nodes:\n  a: { address: 10.0.0.1 }\n  a: { address: 10.0.0.2 }\n',
      'netcheck.yaml:3:3: a is there twice',
    ],
  ])('%s: file, line, column, what is wrong', (_what, text, expected) => {
    const problems = problemsOf(text);
    expect(problems[0]?.startsWith(expected), `${problems.join('\n')}\nshould start with\n${expected}`).toBe(true);
  });

  it('says everything that is wrong at once', () => {
    expect(problemsOf('nodes:\n  a: { address: 10.0.0.1, port: 0 }\nlanguage: fr\n')).toHaveLength(2);
  });
});
