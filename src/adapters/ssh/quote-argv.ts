import { NetcheckError } from '../../model/errors.ts';

/**
 * Quotes an argument array for a POSIX shell: every argument in single quotes, in which nothing but the single quote
 * itself has a meaning (POSIX.1-2017, Shell Command Language 2.2.2). This is the only place where netcheck quotes.
 *
 * @returns one shell command, with no byte of an argument open to expansion
 * @throws {NetcheckError} `fault/internal` for an empty array, or a NUL (which no argument can hold)
 */
export function quoteArgv(argv: readonly string[]): string {
  if (argv.length === 0 || argv[0] === '') {
    throw new NetcheckError('fault/internal', 'a command without a name cannot be run', 'report this as a bug');
  }
  return argv
    .map((argument) => {
      if (argument.includes('\0')) {
        throw new NetcheckError('fault/internal', 'a command argument holds a NUL byte', 'report this as a bug');
      }
      return `'${argument.replaceAll("'", String.raw`'\''`)}'`;
    })
    .join(' ');
}
