/**
 * An argv as a person would type it in a shell (POSIX.1 2.2.2 single quotes). For reading and copying only: what
 * netcheck runs is quoted in `adapters/ssh`.
 */
export function shellText(argv: readonly string[]): string {
  return argv.map(shellWord).join(' ');
}

function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./^-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
