import type { Collector } from '../model/command.ts';
import { commandShapes } from './command-shapes.ts';

/** A command that needs root and into which a run fills nothing. */
export interface PrivilegedCommand {
  readonly tool: string;
  readonly args: readonly string[];
}

/**
 * The commands that sudo itself can bind: always the same words. sudoers compares the words of a command after it has
 * joined them with blanks, so that a rule with a place for a value would let `-w - -Z user` through as the name of a
 * file: what takes values goes through the wrapper (`netcheck sudoers --wrapper`), which looks at each word.
 */
export function privilegedCommands(collectors: ReadonlyMap<string, Collector>): readonly PrivilegedCommand[] {
  return commandShapes(collectors, { loginUser: 'somebody' }).flatMap(({ tool, privilege, exact }) =>
    privilege === 'root' && exact !== undefined && tool !== 'nsenter' ? [{ tool, args: exact }] : [],
  );
}
