import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Report } from '../../src/model/report.ts';
import { command, insideLab, type Lab, startLab, whyOutside } from '../lab/network.ts';
import { plain } from '../lab/topologies.ts';

/**
 * What one ordinary question costs the nodes (playbook port-check, real sshd, real tcpdump), held against its targets:
 *
 *     npm run bench:evidence
 *
 * Processor time is what the node's sshd and all its children used (times(2) of the listener after the sessions are
 * over; what a key exchange costs is part of it). Bytes are those of the node's management interface in both
 * directions without what tcpdump wrote. Exits with 1 where a target is missed.
 */
const rounds = 5;
const targets = { cpuSec: 0.3, wireBytes: 1.5e6, channels: 4, connections: 1 } as const;
const cli = path.join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const ticksPerSec = 100;

async function sshdPid(lab: Lab, node: string): Promise<number> {
  const { stdout } = await lab.node(node).exec(['ss', '-lntpH', 'sport = :22']);
  const pid = /\("sshd",pid=(\d+)/.exec(stdout)?.[1];
  if (pid === undefined) throw new Error(`no sshd on ${node}: ${stdout}`);
  return Number(pid);
}

/** utime + stime + cutime + cstime of proc(5), seconds. A node of the lab has process ids of its own. */
async function cpuSec(lab: Lab, node: string, pid: number): Promise<number> {
  const { stdout: stat } = await lab.node(node).exec(['cat', `/proc/${pid}/stat`]);
  const fields = stat.replace(/^.*\) /, '').split(' ');
  return [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0) / ticksPerSec;
}

async function managementBytes(lab: Lab, node: string): Promise<number> {
  const { stdout } = await lab.node(node).exec(['cat', '/proc/net/dev']);
  const [received, , , , , , , , sent] = (/mgmt0:\s*(.*)/.exec(stdout)?.[1] ?? '').trim().split(/\s+/).map(Number);
  return (received ?? 0) + (sent ?? 0);
}

/** Most commands that overlapped in time. */
function mostAtOnce(evidence: Report['evidence']): number {
  const edges = evidence
    .filter(({ exit, endedAtMs, startedAtMs }) => exit.how !== 'skipped' && endedAtMs > startedAtMs)
    .flatMap(
      ({ startedAtMs, endedAtMs }) =>
        [
          [startedAtMs, 1],
          [endedAtMs, -1],
        ] as const,
    );
  edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  let most = 0;
  for (const [, change] of edges) {
    now += change;
    most = Math.max(most, now);
  }
  return most;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

async function measure(lab: Lab, from: string): Promise<boolean> {
  const nodes = ['node-50', 'node-12'];
  const pids = new Map(await Promise.all(nodes.map(async (node) => [node, await sshdPid(lab, node)] as const)));
  const figures = new Map(
    nodes.map((node) => [node, { cpu: [] as number[], wire: [] as number[], commands: 0, most: 0 }]),
  );
  for (let round = 0; round < rounds; round++) {
    const before = await Promise.all(
      nodes.map(async (node) => ({
        cpu: await cpuSec(lab, node, pids.get(node) ?? 0),
        wire: await managementBytes(lab, node),
      })),
    );
    const { stdout, stderr } = await command(
      [process.execPath, cli, '--config', lab.configFile, '--json', 'node-50', 'port', '1301', 'from', from],
      { timeoutMs: 60_000 },
    );
    if (!stdout.startsWith('{')) throw new Error(`netcheck gave no report: ${stdout}${stderr}`);
    const report = Report.parse(JSON.parse(stdout));
    // The listener has its children's times only when they have ended and were waited for.
    for (const node of nodes) while ((await lab.node(node).exec(['pgrep', '-P', String(pids.get(node))])).code === 0);
    for (const [i, node] of nodes.entries()) {
      const own = report.evidence.filter((entry) => entry.node === node);
      const captured = own.filter(({ kind }) => kind === 'pcap').reduce((sum, { outBytes }) => sum + outBytes, 0);
      const figure = figures.get(node);
      figure?.cpu.push((await cpuSec(lab, node, pids.get(node) ?? 0)) - (before[i]?.cpu ?? 0));
      figure?.wire.push((await managementBytes(lab, node)) - (before[i]?.wire ?? 0) - captured);
      if (figure) {
        figure.commands = own.filter(({ exit }) => exit.how !== 'skipped' && exit.how !== 'notStarted').length;
        figure.most = Math.max(figure.most, mostAtOnce(own));
      }
    }
  }
  let ok = true;
  process.stdout.write('node      commands  at once  CPU (median, worst of 5)  on the wire (median)\n');
  for (const [node, { cpu, wire, commands, most }] of figures) {
    const fits = median(cpu) < targets.cpuSec && median(wire) < targets.wireBytes;
    ok &&= fits;
    process.stdout.write(
      `${node.padEnd(10)}${String(commands).padStart(8)}${String(most).padStart(9)}  ${median(cpu).toFixed(2)} s, ${Math.max(...cpu).toFixed(2)} s${' '.repeat(13)}${(median(wire) / 1e3).toFixed(0)} kB  ${fits ? 'PASS' : 'FAIL'}\n`,
    );
  }
  return ok;
}

if (!insideLab) {
  process.stdout.write(`skipped: ${whyOutside}\n`);
} else {
  const scratch = await mkdtemp(path.join(tmpdir(), 'netcheck-bench-'));
  const lab = await startLab(plain);
  try {
    process.stdout.write(
      `Targets: < ${targets.cpuSec} s of CPU and < ${targets.wireBytes / 1e6} MB per node, one connection, at most ${targets.channels} commands at once\n`,
    );
    if (!(await measure(lab, 'node-12'))) process.exitCode = 1;
  } finally {
    await lab.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}
