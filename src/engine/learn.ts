import { type Learned, nothingLearned } from '../model/command.ts';
import type { Evidence } from '../model/evidence.ts';
import type { Listener, RouteVerdict } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';

const most = 4;
/** What the kernel takes for the name of a device (dev_valid_name, net/core/dev.c), without what shells look at. */
const deviceName = /^[A-Za-z0-9_.:-]{1,15}$/;

/**
 * What a run has found out on a node that later commands are made from: the devices of the way (from the kernel's own
 * route decision) and the processes that listen on the port.
 */
export function createLearner(
  parsers: ReadonlyMap<string, Parser>,
  port: number,
): (evidence: readonly Evidence[]) => Learned {
  let read = -1;
  let learned: Learned = nothingLearned;
  return (evidence) => {
    if (evidence.length !== read) {
      read = evidence.length;
      learned = learn(evidence, parsers, port);
    }
    return learned;
  };
}

function learn(evidence: readonly Evidence[], parsers: ReadonlyMap<string, Parser>, port: number): Learned {
  const values = (kind: string): readonly unknown[] =>
    evidence.flatMap(({ entry, stdout, stderr }) => {
      if (entry.kind !== kind || entry.exit.how !== 'exited') return [];
      const { value } = parsers.get(kind)?.parse({
        stdout,
        stderr,
        argv: entry.argv,
        exitCode: entry.exit.code,
        evidence: entry.out ?? entry.id,
      }) ?? { value: undefined };
      return value === undefined ? [] : [value];
    });
  const ways = values('ip-route-get')
    .flatMap((value) => value as readonly RouteVerdict[])
    .flatMap(({ to, device }) =>
      device !== undefined && device !== 'lo' && deviceName.test(device) ? [{ address: to, device }] : [],
    );
  const listeners = values('ss').flatMap(
    (value) => (value as { readonly listeners?: readonly Listener[] }).listeners ?? [],
  );
  const pids = listeners
    .filter((listener) => listener.port === port)
    .flatMap(({ process }) => /(?:^|, )pid ([1-9]\d{0,6})$/.exec(process ?? '')?.[1] ?? []);
  return {
    devices: [...new Set(ways.map(({ device }) => device))].slice(0, most),
    ways,
    listenerPids: [...new Set(pids)].slice(0, most),
  };
}
