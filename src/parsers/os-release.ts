import type { At } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';
import { problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** The `os` part of the kernel fact. */
export interface OsRelease {
  /** PRETTY_NAME, or NAME and VERSION, or the one line of /etc/redhat-release. */
  readonly os: string;
  readonly at: At;
}

/** os-release(5): shell assignments. Systems before it (CentOS 6) have one line in /etc/redhat-release. */
export const osRelease: Parser<OsRelease> = {
  kind: 'os-release',
  reads: 'cat /etc/os-release | cat /etc/redhat-release',
  fact: 'kernel',
  sample: `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
`,
  parse(input) {
    const problems = problemList();
    const assigned = new Map<string, { value: string; line: number }>();
    let redhat: { value: string; line: number } | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      const assignment = /^\s*([A-Z][A-Z0-9_]*)=(.*)$/.exec(text);
      if (assignment !== null) {
        const [, name = '', raw = ''] = assignment;
        if (!assigned.has(name)) assigned.set(name, { value: unquoted(raw.trim()), line });
      } else if (redhat === undefined && /^[A-Z][\w .()/-]{2,80} release \d[\w .()/-]{0,80}$/.test(text.trim())) {
        redhat = { value: text.trim(), line };
      }
    }
    const pretty = assigned.get('PRETTY_NAME');
    const name = assigned.get('NAME');
    const chosen =
      pretty !== undefined && pretty.value !== ''
        ? pretty
        : name !== undefined && name.value !== ''
          ? { value: `${name.value} ${assigned.get('VERSION')?.value ?? ''}`.trim(), line: name.line }
          : redhat;
    if (chosen === undefined) return nothingUsable(input, problems, 'distribution name');
    addStderr(input, problems);
    return {
      value: { os: chosen.value, at: { evidence: input.evidence, line: chosen.line } },
      problems: problems.all(),
    };
  },
};

function unquoted(text: string): string {
  const quote = text[0];
  if ((quote === '"' || quote === "'") && text.length >= 2 && text.endsWith(quote)) {
    const inner = text.slice(1, -1);
    return quote === '"' ? inner.replaceAll(/\\(["$\\`])/g, '$1') : inner;
  }
  return text;
}
