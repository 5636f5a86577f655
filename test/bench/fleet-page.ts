/** What `bench:fleet` measured of one contender: medians. */
export interface FleetLine {
  readonly name: string;
  readonly kex: string;
  readonly wallSec: number;
  readonly cpuSec: number;
  readonly nodesCpuSec: number;
}

export interface FleetFigures {
  /** `2026-11-21` */
  readonly date: string;
  /** `2 cores, 24 GiB`: the class of the machine, never its name. */
  readonly machine: string;
  /** Processes that wanted to run besides, at the beginning (loadavg of the last minute). */
  readonly load: number;
  readonly nodes: number;
  readonly commands: number;
  readonly rounds: number;
  readonly lines: readonly FleetLine[];
  readonly checks: readonly FleetCheck[];
}

export interface FleetCheck {
  readonly what: string;
  readonly is: number;
  readonly most: number;
}

/** Above this load other work takes a part of every figure. */
const quiet = 2;

const ofOurs = /^CPU of one node here: ([\d.]+) ms/m;

/** What one node costs the controlling side, as the page says it, seconds; undefined where there is no page. */
export function fleetCpuSec(page: string | undefined): number | undefined {
  const said = page === undefined ? undefined : ofOurs.exec(page)?.[1];
  return said === undefined ? undefined : Number(said) / 1000;
}

/** `docs/fleet.md`: netcheck's SSH beside what people use today. */
export function fleetPage({ date, machine, load, nodes, commands, rounds, lines, checks }: FleetFigures): string {
  const own = lines.find(({ name }) => name === 'netcheck');
  if (own === undefined) throw new Error('netcheck was not measured');
  const seconds = (value: number): string => value.toFixed(2);
  const table = lines.map(
    ({ name, kex, wallSec, cpuSec, nodesCpuSec }) =>
      `| ${name} | ${kex} | ${seconds(wallSec)} | ${seconds(cpuSec)} | ${seconds(nodesCpuSec)} | ${seconds(wallSec / own.wallSec)} | ${seconds(cpuSec / own.cpuSec)} |`,
  );
  const targets = checks.map(
    ({ what, is, most }) => `| ${what} | ${seconds(most)} | ${seconds(is)} | ${is <= most ? 'met' : '**missed**'} |`,
  );
  return `# Many nodes over SSH

<!-- Written by \`npm run bench:fleet -- --doc\`; the figures are measured, the words stand in test/bench/fleet-page.ts. -->

${nodes} nodes, each a real sshd of its own on this machine, are asked the same ${commands} commands by netcheck and by what people use
today. All log in with the same key, check host keys, and write down what came; each takes 64 nodes at a time, ansible its
50 forks with pipelining. Wall time is from the start of the command to its exit; CPU is user and system time of the command
and its children (wait4), which is the controlling side alone. They take turns, ${rounds} rounds after one to warm up; medians.

Measured ${date} on a machine with ${machine}, on which the nodes run as well${load > quiet ? `, and while other work ran on it (load ${load.toFixed(1)}): compare what stands in one column, not seconds` : ''}.

| | key exchange | wall s | CPU s here | CPU s of the nodes | wall, netcheck = 1 | CPU here, netcheck = 1 |
| --- | --- | --- | --- | --- | --- | --- |
${table.join('\n')}

CPU of one node here: ${((own.cpuSec / nodes) * 1000).toFixed(1)} ms, the start of the process included.

| target | at most | is | |
| --- | --- | --- | --- |
${targets.join('\n')}

"Default" is what OpenSSH takes by itself: a post-quantum key exchange, which costs the controlling side several times as much. The
first four rows force the one that netcheck takes.

How: one process instead of one or two per node; keys and known hosts read once; what is written in one turn
goes out in one packet; all commands of a node in one script on one channel, and what ends and begins there told at once.
`;
}
