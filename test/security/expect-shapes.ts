import { quoteArgv } from '../../src/adapters/ssh/quote-argv.ts';
import { collectors } from '../../src/collectors/index.ts';
import { commandShapes, lineFeed } from '../../src/engine/command-shapes.ts';
import { inNamespace } from '../../src/engine/in-namespace.ts';
import { contextOf } from '../../src/engine/open-node.ts';
import { readPlaybooks } from '../../src/load-playbooks.ts';
import { type Command, type Learned, nothingLearned } from '../../src/model/command.ts';
import { NetnsName } from '../../src/model/netns.ts';
import type { Plan } from '../../src/model/plan.ts';
import { rules } from '../../src/rules/index.ts';

export const { playbooks } = readPlaybooks([], { collectors, rules });
const shapes = [undefined, 'carol'].flatMap((loginUser) =>
  commandShapes(collectors, { loginUser, playbooks: playbooks.values() }).map(
    ({ pattern }) => new RegExp(`^(?:${pattern})$`),
  ),
);
const known = new Map<string, boolean>();
/** True where the argv is one of a collector's shapes. */
export function fits({ argv }: Command): boolean {
  if (argv.some((word) => word.includes('\0') || word.includes(lineFeed))) return false;
  const line = quoteArgv(argv).replaceAll('\n', lineFeed);
  const fit = known.get(line) ?? shapes.some((shape) => shape.test(line));
  known.set(line, fit);
  return fit;
}

function* withAlternatives(command: Command): Generator<Command> {
  yield command;
  if (command.otherwise) yield* withAlternatives(command.otherwise);
}

/** Every command that a plan comes to on its nodes, with what was learned on the way, there and in namespaces. */
function* commandsOf(plan: Plan, learned: Learned = nothingLearned): Generator<Command> {
  for (const planned of plan.nodes) {
    const netns = planned.netns === undefined ? undefined : NetnsName.parse(planned.netns);
    for (const uid of [0, 1000])
      for (const { node, collector: id, params } of plan.steps) {
        const collector = collectors.get(id);
        if (collector === undefined || node !== planned.node.name) continue;
        const context = contextOf(plan, { ...planned, node: { ...planned.node, user: 'carol' } }, uid, learned);
        for (const command of collector.commands(collector.params.parse(params), context))
          for (const one of withAlternatives(command)) {
            yield one;
            yield inNamespace(one, { name: netns ?? 'blue', pid: '4711' });
            if (netns !== undefined) yield inNamespace(one, { name: netns, pid: null });
          }
      }
  }
}

/**
 * Holds every command of the plan against the shapes of the collectors.
 * @returns how many commands there are
 * @throws Error with the argv that is none of them
 */
export function expectShapes(plan: Plan, learned?: Learned): number {
  let count = 0;
  for (const command of commandsOf(plan, learned)) {
    count += 1;
    if (!fits(command)) throw new Error(`no shape of ours: ${JSON.stringify(command.argv)}`);
  }
  return count;
}
