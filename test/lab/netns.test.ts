import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Report } from '../../src/model/report.ts';
import { command, insideLab, type Lab, startLab, whyOutside } from './network.ts';
import { plain } from './topologies.ts';

const skipped = insideLab ? '' : ` (skipped: ${whyOutside})`;
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

const listenOn = (address: string): string =>
  `require('net').createServer((socket) => socket.on('error', () => {}).end('x')).listen(1301, '${address}', () => console.log('up'))`;

/** A network namespace of its own on node-50 whose listener cannot be reached, while the node's own can. */
describe.skipIf(!insideLab)(`a pod's network namespace${skipped}`, () => {
  let lab: Lab;

  const on = async (node: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await lab.node(node).exec(['sh', '-c', script]);
    if (code !== 0) throw new Error(`${node}: ${script}: ${stderr}`);
    return stdout;
  };
  /** Starts a listener in the namespace, waits until it listens, and gives its pid. */
  const listen = async (address: string): Promise<string> => {
    // The fifo's first line is the listener's word that it listens.
    const pid = await on(
      'node-50',
      `f=/run/web-$$; mkfifo "$f"
ip netns exec web ${process.execPath} -e "${listenOn(address)}" >"$f" 2>/dev/null </dev/null & p=$!
read -r up <"$f"; rm -f "$f"; [ "$up" = up ] && echo $p`,
    );
    return pid.trim();
  };
  const ask = async (text: string): Promise<Report> => {
    const { stdout, stderr } = await command(
      [process.execPath, cli, '--config', lab.configFile, '--json', ...text.split(' ')],
      { timeoutMs: 90_000 },
    );
    if (!stdout.startsWith('{')) throw new Error(`netcheck ${text}: ${stdout}${stderr}`);
    return Report.parse(JSON.parse(stdout));
  };

  beforeAll(async () => {
    lab = await startLab(plain);
    await on(
      'node-50',
      `ip netns add web
ip link add veth-web type veth peer name eth0 netns web
ip addr add 10.244.50.1/30 dev veth-web; ip link set veth-web up
ip -n web addr add 10.244.50.2/30 dev eth0; ip -n web link set eth0 up; ip -n web link set lo up
ip -n web route add default via 10.244.50.1
sysctl -q -w net.ipv4.ip_forward=1`,
    );
    await on('r1', 'ip route add 10.244.50.0/30 via 172.16.0.50');
  }, 60_000);
  afterAll(async () => {
    await lab?.stop();
  });

  test("finds the fault of the pod in the pod, and nothing in the node's own namespace", {
    timeout: 120_000,
  }, async () => {
    const pid = await listen('127.0.0.1');
    const report = await ask('node-50 netns web port 1301 from node-12');
    const found = report.findings.filter(({ verdict }) => verdict === 'confirmed' || verdict === 'likely');
    expect(found.map(({ rule, node }) => ({ rule, node }))).toEqual([{ rule: 'loopback-only', node: 'node-50@web' }]);
    expect(report.nodes.map(({ name, roles }) => [name, roles])).toEqual([
      ['node-50@web', ['target']],
      ['node-50', ['forwarder']],
      ['node-12', ['client']],
    ]);
    expect(report.nodes[0]?.address).toBe('10.244.50.2');
    const listening = report.evidence.filter(
      ({ node, collector }) => node === 'node-50@web' && collector === 'listeners',
    );
    expect(listening[0]?.argv.slice(0, 3)).toEqual(['nsenter', '--net=/run/netns/web', '--']);

    // The same by a process in it: its counters are read without entering.
    const byPid = await ask(`node-50 netns ${pid} port 1301 from node-12`);
    expect(byPid.findings.find(({ rule }) => rule === 'loopback-only')).toMatchObject({
      verdict: 'confirmed',
      node: `node-50@${pid}`,
    });
    const counters = byPid.evidence.find(({ node, kind }) => node === `node-50@${pid}` && kind === 'proc-net-snmp');
    expect(counters).toMatchObject({ argv: ['cat', `/proc/${pid}/net/snmp`], privilege: 'none' });

    await on('node-50', `kill ${pid}`);
    await listen('0.0.0.0');
    const healed = await ask('node-50 netns web port 1301 from node-12');
    expect(healed.verdict).toBe('clear');
  });

  test('says what is missing where there is no such namespace', { timeout: 60_000 }, async () => {
    const { code, stderr } = await command([
      process.execPath,
      cli,
      '--config',
      lab.configFile,
      ...'node-50 netns nowhere port 1301 from node-12'.split(' '),
    ]);
    expect(code).toBe(64);
    expect(stderr).toContain('there is no network namespace nowhere on this node');
  });
});
