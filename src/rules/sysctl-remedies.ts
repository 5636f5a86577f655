import type { Remedy } from '../model/report.ts';

/** One kernel setting to change. `previous` is what the node has now, as the kernel printed it. */
export interface SettingChange {
  readonly key: string;
  readonly value: string;
  readonly previous: string | null | undefined;
}

const plainValue = /^-?\d+(?:\s+-?\d+)*$/;

/** A value of the kernel that is fit to stand in a command: numbers only. Anything else came from somewhere odd. */
export function plainSetting(value: string | null | undefined): string | null {
  if (value === null || value === undefined) return null;
  const trimmed = value.trim().replace(/\s+/g, ' ');
  return plainValue.test(trimmed) ? trimmed : null;
}

function write(key: string, value: string): string {
  return value.includes(' ') ? `sysctl -w ${key}='${value}'` : `sysctl -w ${key}=${value}`;
}

function undoOf(changes: readonly SettingChange[]): string[] {
  return changes.flatMap(({ key, previous }) => {
    const value = plainSetting(previous);
    return value === null ? [] : [write(key, value)];
  });
}

/** `sysctl -w` for now; undo is the value that the node had. */
export function temporarySysctl(
  node: string,
  changes: readonly SettingChange[],
  words: { readonly text: string; readonly risk: string },
): Remedy {
  return {
    kind: 'temporary',
    node,
    text: words.text,
    commands: changes.map(({ key, value }) => write(key, value)),
    undo: undoOf(changes),
    risk: words.risk,
    settings: changes.map(({ key, value }) => ({ key, value })),
  };
}

/**
 * A file of our own in sysctl.d, after a look for files that would win over it. `slug` names the file
 * (`/etc/sysctl.d/99-netcheck-<slug>.conf`).
 */
export function permanentSysctl(
  node: string,
  slug: string,
  changes: readonly SettingChange[],
  words: { readonly text: string; readonly risk: string },
): Remedy {
  const file = `/etc/sysctl.d/99-netcheck-${slug}.conf`;
  const keys = changes.map(({ key }) => `-e ${key}`).join(' ');
  const lines = changes.map(({ key, value }) => `'${key} = ${value}'`).join(' ');
  return {
    kind: 'permanent',
    node,
    text: words.text,
    commands: [
      `grep -rnF ${keys} /etc/sysctl.conf /etc/sysctl.d /run/sysctl.d /usr/lib/sysctl.d`,
      `printf '%s\\n' ${lines} > ${file}`,
      'sysctl --system',
    ],
    undo: [`rm ${file}`, ...undoOf(changes)],
    risk: words.risk,
  };
}
