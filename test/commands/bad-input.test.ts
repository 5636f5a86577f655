import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type BuiltNetcheck, buildNetcheck, type Finished } from './built-netcheck.ts';

let netcheck: BuiltNetcheck;
let folder: string;
/** Every node of the configuration is here: whoever connects has done more than refuse. */
let node: Server;
let connections = 0;

const tenKilobytes = 'a'.repeat(10_000);
const at = (name: string): string => path.join(folder, name);
const write = (name: string, text: string | Uint8Array): void => {
  mkdirSync(path.dirname(at(name)), { recursive: true });
  writeFileSync(at(name), text);
};
/** Bytes that are nothing, the same on every run. */
const noise = Buffer.concat(Array.from({ length: 64 }, (_, index) => createHash('sha256').update(`${index}`).digest()));

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'netcheck-bad-'));
  node = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve));
  const address = node.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const nodes = ['node-12', 'node-50', 'node-51', 'gw'].map(
    (name) => `  ${name}: { address: 127.0.0.1, port: ${port} }`,
  );
  const config = `nodes:\n${nodes.join('\n')}\nssh: { agent: false, identity: none, knownHosts: none }\n`;
  write('netcheck.yaml', config);
  write('elsewhere/netcheck.yaml', `nodes:\n  a: { address: 127.0.0.1, port: ${port} }\nplaybooks: [broken]\n`);
  netcheck = await buildNetcheck();
}, 60_000);

afterAll(async () => {
  await netcheck.remove();
  node.close();
  rmSync(folder, { recursive: true, force: true });
});

vi.setConfig({ testTimeout: 30_000 });

const run = (args: readonly string[], cwd = folder): Promise<Finished> => netcheck.run(args, { cwd });

/** What every refusal has in common: one sentence that says what is wrong, what to do, and not one byte of anything else. */
function expectRefusal({ status, stdout, stderr }: Finished, message: string | RegExp, hint: string | RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(hint);
  expect(status).toBe(64);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^netcheck: [^\n]+\n/);
  expect(stderr).not.toMatch(/\n\s+at |node:internal|Error:/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  expect(stderr.length).toBeLessThan(3000);
}

describe.concurrent('a question that cannot be asked', () => {
  it.for([
    ['a node that is not there', ['node-5O', 'port', '1301'], /no node "node-5O"/, /Did you mean node-50/],
    [
      'a name like no other',
      ['somewhere-else', 'port', '1301'],
      /no node "somewhere-else"/,
      /has gw, node-12, node-50/,
    ],
    ['port 0', ['node-50', 'port', '0'], /"0" is not a port: .* 1 to 65535/, /For example/],
    ['port 70000', ['node-50', 'port', '70000'], /"70000" is not a port/, /For example/],
    ['port abc', ['node-50', 'port', 'abc'], /"abc" is not a port/, /For example/],
    [
      'a shell command after the name',
      ['node-50;reboot', 'port', '1301'],
      /"node-50;reboot" is not/,
      /Nothing was run/,
    ],
    ['a command substitution', ['$(id)', 'port', '1301'], /"\$\(id\)" is not/, /Nothing was run/],
    ['a 10 kB name', [tenKilobytes, 'port', '1301'], /10010 characters; at most 1000/, /Ask like this/],
    ['an empty word', [''], /no target/, /Ask like this/],
    ['from itself', ['node-50', 'port', '1', 'from', 'node-50'], /both the target and/, /another node after "from"/],
    ['an unknown playbook', ['node-50', 'port', '1', 'playbook', 'nope'], /no playbook "nope"/, /port-check/],
  ] as const)('%s', async ([, args, message, hint]) => {
    expectRefusal(await run(args), message, hint);
  });
});

describe.concurrent('a command line that cannot be read', () => {
  it.for([
    ['nothing at all', [], /There is no question/, /node-50 port 1301 from node-12/],
    ['an unknown option', ['--frobnicate', 'node-50'], /Unknown option '--frobnicate'\./, /--help lists/],
    ['an unknown option with a dot', ['--a.b.c'], /Unknown option '--a\.b\.c'\./, /--help lists/],
    ['a 10 kB option', [`--${tenKilobytes}`], /Unknown option '--a{40,60}… \(1000\d characters\)/, /--help lists/],
    ['an option that acts in a terminal', ['--\u001b[2J'], /Unknown option/, /--help lists/],
    [
      'a language we do not speak',
      ['--lang', 'fr', 'node-50', 'port', '1'],
      /--lang is en or zh, not "fr"/,
      /--lang zh/,
    ],
    ['an option without its value', ['node-50', 'port', '1', '--save'], /'--save <value>' argument missing/, /--help/],
    ['parse without a kind', ['parse'], /takes a kind/, /parse --help/],
    ['parse of an unknown kind', ['parse', 'iptables-sav'], /no kind "iptables-sav"/, /Did you mean iptables-save/],
    ['parse of a missing file', ['parse', 'ss', 'nowhere.txt'], /nowhere.txt cannot be read/, /Name a file/],
    ['pcap without a file', ['pcap'], /at least one capture/, /For example/],
    ['pcap of a missing file', ['pcap', 'nowhere.pcap'], /nowhere.pcap cannot be read/, /Name a pcap/],
    ['replay without a run', ['replay'], /takes one saved run/, /For example/],
    ['replay of a 10 kB name', ['replay', tenKilobytes], /a{40,60}… \(10000 characters\) does not exist/, /--save/],
    ['an unknown rule', ['rules', 'show', 'tw-recycl'], /no rule "tw-recycl"/, /Did you mean tw-recycle/],
    ['a login name that is a command', ['sudoers', 'a b; id'], /one login name/, /For example/],
    ['an audit of two playbooks', ['audit', 'node-audit', 'port-check'], /takes one playbook/, /--nodes/],
    ['an audit as JSON and as CSV', ['audit', '--json', '--csv'], /exclude each other/, /one of them/],
    ['bot without a token', ['bot'], /SLACK_BOT_TOKEN is not set/, /environment/],
  ] as const)('%s', async ([, args, message, hint]) => {
    expectRefusal(await run(args), message, hint);
  });
});

describe.concurrent('a configuration that is not one', () => {
  const ask = ['node-50', 'port', '1301'];

  it.for([
    [
      'a misspelt key',
      'nodes:\n  node-50: { adress: 192.0.2.1 }\n',
      /:2:14: nodes\.node-50\.adress: there is no such key, allowed here: address,/,
    ],
    ['a port of 99999', 'nodes:\n  node-50: { address: 192.0.2.1, port: 99999 }\n', /:2:34: nodes\.node-50\.port: /],
    ['a node with a shell command for a name', 'nodes:\n  "a;b": { address: 192.0.2.1 }\n', /:2:3: nodes\.a;b: /],
    ['broken YAML', 'nodes: {\n', /:2:1: /],
    ['a stranger to probe from', 'nodes: {}\ndefaults: { probeFrom: [x] }\n', /:2:13: defaults\.probeFrom names x/],
  ] as const)('%s is told with file, line and column', async ([name, text, place]) => {
    const file = `config-${name.replaceAll(/\W/g, '-')}.yaml`;
    write(file, text);
    expectRefusal(
      await run(['--config', file, ...ask]),
      new RegExp(`netcheck: ${file}${place.source}`),
      /nothing was run/,
    );
  });

  it('that is binary is refused by its place, not by its bytes', async () => {
    write('noise.yaml', noise);
    const { status, stdout, stderr } = await run(['--config', 'noise.yaml', ...ask]);
    expect(status).toBe(64);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^netcheck: noise\.yaml:\d+:\d+: /);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('that is a directory, or is not there, is refused', async () => {
    expectRefusal(await run(['--config', '.', ...ask]), /\. cannot be read: /, /permissions/);
    expectRefusal(await run(['--config', 'no.yaml', ...ask]), /There is no file no\.yaml/, /--config FILE/);
    mkdirSync(at('empty-folder'));
    expectRefusal(await run(ask, at('empty-folder')), /There is no netcheck\.yaml here/, /--config FILE/);
  });

  it('with a playbook that is none is refused, with every problem and its place', async () => {
    write(
      'elsewhere/broken/one.yaml',
      'id: one\ntitle: { en: One, zh: 一 }\ncollect:\n  - { on: [target], use: nonsense }\nrules:\n  - { use: nothing }\n',
    );
    write('elsewhere/broken/two.yaml', 'id: Two Words\ntitle: One\n');
    const refused = await run(['a', 'port', '1'], at('elsewhere'));
    expectRefusal(refused, /broken\/one\.yaml:4:\d+: .*nonsense/, /nothing was run/);
    expect(refused.stderr).toMatch(/broken\/two\.yaml:1:1: id: /);
    const lint = await run(['playbooks', 'lint'], at('elsewhere'));
    expect(lint.status).toBe(1);
    expect(lint.stdout).toMatch(/broken\/one\.yaml:4:/);
    // The good ones are still listed.
    expect((await run(['playbooks'], at('elsewhere'))).stdout).toContain('port-check');
  });
});

describe.concurrent('files that are not what they should be', () => {
  const capture = (): Buffer => {
    const header = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex');
    const frame = Buffer.from(
      '000000000001000000000002080045000028000140004006000001010101020202020400051500000001000000005002ffff00000000',
      'hex',
    );
    const record = (second: number): Buffer => {
      const head = Buffer.alloc(16);
      head.writeUInt32LE(second, 0);
      head.writeUInt32LE(frame.length, 8);
      head.writeUInt32LE(frame.length, 12);
      return Buffer.concat([head, frame]);
    };
    return Buffer.concat([header, ...[1, 2, 4, 8, 16].map(record)]);
  };

  it.for([
    ['no bytes at all', 'empty.pcap', Buffer.alloc(0), /there are no bytes/],
    ['something else', 'noise.pcap', noise, /not a pcap or pcapng capture/],
    ['a gzip of something else', 'noise.pcap.gz', gzipSync(noise), /not a pcap or pcapng capture/],
  ] as const)('pcap of %s: status 2 and why', async ([, name, bytes, why]) => {
    write(name, bytes);
    const { status, stderr } = await run(['pcap', name]);
    expect(status).toBe(2);
    expect(stderr).toMatch(new RegExp(`^${name.replaceAll('.', '\\.')}: ${why.source}`));
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('pcap of a capture or a gzip that was cut reads what came before, and says where it ends', async () => {
    const whole = capture();
    write('cut.pcap', whole.subarray(0, whole.length - 20));
    const packed = gzipSync(whole, { level: 0 });
    write('cut.pcap.gz', packed.subarray(0, packed.length - 100));
    for (const name of ['cut.pcap', 'cut.pcap.gz']) {
      const { stdout, stderr, status } = await run(['pcap', name, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ packets: name === 'cut.pcap' ? 4 : 3 });
      expect(stderr).toMatch(/the stream ends inside packet \d/);
      // SYNs without an answer are in it.
      expect(status).toBe(1);
    }
    expect((await run(['pcap', 'cut.pcap.gz'])).stderr).toMatch(/reading stopped: unexpected end of file/);
  });

  it.for([
    ['noise', noise],
    ['nothing', Buffer.alloc(0)],
  ] as const)('parse of %s: no facts, status 2, and a sentence', async ([name, bytes]) => {
    write(`parse-${name}`, bytes);
    const { status, stdout, stderr } = await run(['parse', 'proc-net-netstat', `parse-${name}`]);
    expect(status).toBe(2);
    const output = JSON.parse(stdout) as { facts: unknown; problems: unknown[] };
    expect(output.facts).toBeNull();
    expect(output.problems).not.toEqual([]);
    expect(stderr).toBe(`parse-${name}: nothing in it could be read as proc-net-netstat; "problems" says why.\n`);
  });

  it('a report is not written where it cannot be, and the run is not begun for it', async () => {
    const ask = ['node-50', 'port', '1301'];
    write('foreign/thesis.doc', 'years of work');
    write('a-file', 'x');
    expectRefusal(await run([...ask, '--save', 'foreign']), /foreign holds thesis\.doc/, /new or empty directory/);
    expect(readFileSync(at('foreign/thesis.doc'), 'utf8')).toBe('years of work');
    expectRefusal(await run([...ask, '--save', 'a-file']), /cannot be saved in a-file/, /may write to/);
    expectRefusal(await run([...ask, '--html', 'no/such/place.html']), /place\.html cannot be written/, /another file/);
    expectRefusal(await run([...ask, '--html', '.']), /\. cannot be written/, /another file/);
    expect(readdirSync(folder)).not.toContain('no');
  });

  it.skipIf(process.getuid?.() === 0)(
    'a file that may not be read is refused (skipped: root may read everything)',
    async () => {
      write('secret.yaml', 'nodes: {}\n');
      chmodSync(at('secret.yaml'), 0);
      expectRefusal(
        await run(['--config', 'secret.yaml', 'a', 'port', '1']),
        /secret\.yaml cannot be read/,
        /permissions/,
      );
    },
  );
});

describe('after all of that', () => {
  it('nothing was connected to, and nothing was written down as a run', async () => {
    // Refusals of this file that ran before would have connected; one more, so that the test stands alone.
    await run(['node-50;reboot', 'port', '1301']);
    expect(connections).toBe(0);
    expect(existsSync(at('.netcheck'))).toBe(false);
    // The same configuration does connect when the question is a good one: the silence above means something.
    const asked = await run(['node-50', 'port', '1301', 'from', 'node-12']);
    expect(asked.status).toBe(2);
    expect(connections).toBeGreaterThan(0);
  });
});
