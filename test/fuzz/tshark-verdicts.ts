import { execFileSync, spawnSync } from 'node:child_process';
import { createPcapSession } from '../../src/packets/analyse-file.ts';
import { verdictNames } from '../../src/packets/tcp-flags.ts';

/** `4.0`, or undefined where tshark is not installed. The rules are those of 4.0; later versions judge some frames otherwise. */
export function tsharkVersion(): string | undefined {
  const { stdout } = spawnSync('tshark', ['--version'], { encoding: 'utf8' });
  return /TShark \(Wireshark\) (\d+\.\d+)/.exec(stdout ?? '')?.[1];
}

/** Verdicts that are compared, without `tcp.analysis.`: all but those of TCP Fast Open. */
export const comparedVerdicts = verdictNames.filter((name) => !name.startsWith('tfo_'));

/** Frame to verdicts, sorted and joined by blanks: as tshark judges a capture file. */
export function tsharkVerdicts(file: string): ReadonlyMap<number, string> {
  const fields = comparedVerdicts.flatMap((name) => ['-e', `tcp.analysis.${name}`]);
  const out = execFileSync('tshark', ['-n', '-r', file, '-T', 'fields', '-e', 'frame.number', ...fields], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 2 ** 28,
  });
  const verdicts = new Map<number, string>();
  for (const line of out.trimEnd().split('\n')) {
    const [frame, ...values] = line.split('\t');
    const found = comparedVerdicts.filter((_, index) => (values[index] ?? '') !== '');
    verdicts.set(Number(frame), found.sort().join(' '));
  }
  return verdicts;
}

/** The same as `netcheck pcap --packets --as wireshark` judges it. */
export function ourVerdicts(bytes: Uint8Array): ReadonlyMap<number, string> {
  const verdicts = new Map<number, string>();
  const session = createPcapSession({
    mode: 'wireshark',
    packets: true,
    onVerdicts: (frame, analysis) => verdicts.set(frame, [...analysis].sort().join(' ')),
  });
  session.push(bytes);
  session.finish();
  return verdicts;
}
