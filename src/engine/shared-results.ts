import type { Phase } from '../model/evidence.ts';
import type { CommandResult } from './ports.ts';
import { nodeOfPlace } from '../model/netns.ts';

/** Runs a command, unless another place of the same node has just run the same one. */
export type SharedResults = (
  place: string,
  command: { readonly argv: readonly string[]; readonly phase: Phase },
  run: () => Promise<CommandResult>,
) => Promise<CommandResult>;

/**
 * Places of one node are looked at through one connection, and much of what is asked is about the whole machine (tools,
 * kernel, clock, soft interrupts): the same command in the same phase runs once for all of them, and each has its
 * result. A place that asks again gets a new one. What nobody else will ask for is not kept: outputs may be large.
 *
 * @param places of the run; others share nothing
 */
export function createSharedResults(places: readonly string[]): SharedResults {
  const readersOf = (node: string): number => places.filter((place) => nodeOfPlace(place) === node).length;
  const known = new Map<string, { readonly result: Promise<CommandResult>; readonly readers: Set<string> }>();
  return (place, { argv, phase }, run) => {
    const node = nodeOfPlace(place);
    const mostReaders = readersOf(node);
    if (mostReaders < 2) return run();
    const key = JSON.stringify([node, phase, argv]);
    const there = known.get(key);
    if (there !== undefined && !there.readers.has(place)) {
      there.readers.add(place);
      if (there.readers.size === mostReaders) known.delete(key);
      return there.result;
    }
    const result = run();
    known.set(key, { result, readers: new Set([place]) });
    return result;
  };
}
