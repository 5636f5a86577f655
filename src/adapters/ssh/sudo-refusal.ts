/**
 * What sudo prints when it does not run the command at all (sudo 1.8 to 1.9, plugins/sudoers and src, with LC_ALL=C).
 * `unable to resolve host` and lecture texts are not among them: sudo goes on after those.
 */
const refusals: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/^sudo: (?:a password is required|no tty present and no askpass program|a terminal is required)/, 'noPassword'],
  [/^sudo: (?:sorry, )?you must have a tty to run sudo/, 'requireTty'],
  [/is not in the sudoers file/, 'sudoers'],
  [/is not allowed to (?:execute|run sudo)/, 'sudoers'],
  [/may not run sudo/, 'sudoers'],
  [/^sudo: (?:account validation failure|.*account.* expired)/, 'account'],
  [/^netcheck-as-root: refused/, 'wrapper'],
  [/^sudo: (?:no valid sudoers sources found|unable to (?:open|stat|initialize) .*(?:sudoers|policy))/, 'broken'],
  [/^sudo: (?:effective uid is not 0|.* must be owned by uid 0|The "no new privileges" flag is set)/, 'broken'],
];

const advice: Readonly<Record<string, string>> = {
  noPassword: 'allow it without a password (`netcheck sudoers` prints the lines)',
  requireTty: "add `Defaults:USER !requiretty` for the login user to the node's sudoers",
  sudoers: 'allow it in sudoers (`netcheck sudoers` prints the lines)',
  wrapper: 'renew the wrapper on the node (`netcheck sudoers --wrapper` prints it)',
  account: 'renew the account on the node',
  broken: 'mend sudo on the node',
};

export type SudoAnswer =
  | { readonly refused: 'sudo'; readonly said: string; readonly advice: string }
  /** sudo ran, but the command is not on the node. */
  | { readonly refused: 'toolMissing'; readonly said: string };

/**
 * Whether sudo itself ended a command that was started with `sudo -n -k --`.
 *
 * @param code exit status: sudo's own failures are 1
 * @param stdoutBytes a refused command has printed nothing
 */
export function readSudoRefusal(code: number, stdoutBytes: number, stderr: string): SudoAnswer | undefined {
  if (code !== 1 || stdoutBytes > 0) return undefined;
  for (const line of stderr.split('\n').map((each) => each.trim())) {
    if (/^(?:sudo|netcheck-as-root): .+: command not found$/.test(line)) return { refused: 'toolMissing', said: line };
    const hit = refusals.find(([pattern]) => pattern.test(line));
    if (hit) return { refused: 'sudo', said: line, advice: advice[hit[1]] ?? '' };
  }
  return undefined;
}
