import type { Command } from '../model/command.ts';
import type { Exit } from '../model/evidence.ts';
import type { Features } from '../model/facts.ts';

/** A command that may run on this node, or why none of the alternatives may. */
export type Choice = { readonly run: Command } | { readonly not: Command; readonly exit: Exit };

/**
 * The first of a command and its alternatives that this node has the tools and files for and that loads no kernel
 * module. Without a first look only commands that need nothing of it are chosen.
 */
export function chooseCommand(command: Command, features: Features | undefined): Choice {
  const exit = obstacle(command, features);
  if (exit === undefined) return { run: command };
  if (command.otherwise === undefined) return { not: command, exit };
  const next = chooseCommand(command.otherwise, features);
  // The gate is the better reason: "the file is not there" only says that the module is not.
  if ('not' in next && exit.how === 'skipped') return { not: command, exit };
  return next;
}

function obstacle(command: Command, features: Features | undefined): Exit | undefined {
  const { tool, unlessTool, needsFile, wouldLoad } = command;
  if (unlessTool !== undefined && typeof features?.tools[unlessTool] === 'string')
    return { how: 'notStarted', why: 'toolMissing', message: `not needed: ${unlessTool} tells the same` };
  if (tool !== undefined && features?.tools[tool] === null)
    return { how: 'notStarted', why: 'toolMissing', message: `${tool.split(':')[0]} is not installed` };
  if (
    wouldLoad !== undefined &&
    !(wouldLoad.unlessFile !== undefined && features?.files.includes(wouldLoad.unlessFile))
  ) {
    const absent = wouldLoad.modules.filter((module) => (features?.modules[module] ?? 'absent') === 'absent');
    if (absent.length > 0) return { how: 'skipped', why: `would load ${absent.join(', ')}` };
  }
  if (needsFile !== undefined && !features?.files.includes(needsFile))
    return { how: 'notStarted', why: 'toolMissing', message: `${needsFile} does not exist` };
  return undefined;
}
