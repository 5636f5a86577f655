import { describe, expect, it } from 'vitest';
import { readSudoRefusal } from '../../../src/adapters/ssh/sudo-refusal.ts';

describe('readSudoRefusal', () => {
  it.each([
    'sudo: a password is required',
    'sudo: no tty present and no askpass program specified',
    'sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper',
    'sudo: sorry, you must have a tty to run sudo',
    'carol is not in the sudoers file.  This incident will be reported.',
    "Sorry, user carol is not allowed to execute '/usr/bin/id -g' as root on node-12.",
    'Sorry, user carol may not run sudo on node-12.',
    'sudo: no valid sudoers sources found, quitting',
    "sudo: /etc/sudo.conf is owned by uid 1000, should be 0\nsudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set or an NFS file system without root privileges?",
    'sudo: unable to resolve host node-12: Name or service not known\nsudo: a password is required',
    'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.',
  ])('refused: %s', (stderr) => {
    const answer = readSudoRefusal(1, 0, `${stderr}\n`);
    expect(answer?.refused).toBe('sudo');
    if (answer?.refused === 'sudo') expect(answer.advice).not.toBe('');
  });

  it('tells a missing command from a refusal', () => {
    expect(readSudoRefusal(1, 0, 'sudo: tcpdump: command not found\n')).toMatchObject({ refused: 'toolMissing' });
  });

  it.each([
    ['another status', 2, 0, 'sudo: a password is required'],
    ['output before it', 1, 10, 'sudo: a password is required'],
    [
      'only a warning of sudo',
      1,
      0,
      'sudo: unable to resolve host node-12: Name or service not known\niptables: failed',
    ],
    ["the command's own error", 1, 0, 'iptables v1.8.9: unknown option'],
    ['the words in the middle of a line', 1, 0, 'grep: sudo: a password is required'],
  ])('leaves the command its own failure: %s', (_name, code, stdoutBytes, stderr) => {
    expect(readSudoRefusal(code, stdoutBytes, stderr)).toBeUndefined();
  });
});
