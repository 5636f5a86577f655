import type { Sysctls } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { nothingUsable, stderrLines } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

const root = '/proc/sys/';

/**
 * Settings by key. Reads `sysctl -a` / `sysctl KEY…` (`key = value`) and `grep -H '' /proc/sys/…` (`path:value`), with
 * both tools' complaints: a file that does not exist is null, one that may not be read is left out with a problem.
 * Keys are spelled as sysctl(8) spells them: `net.ipv4.conf.eth0/100.rp_filter` for the device eth0.100.
 */
export const sysctl: Parser<Sysctls> = {
  kind: 'sysctl',
  reads: "sysctl -a | sysctl KEY… | grep -H '' /proc/sys/…",
  fact: 'sysctl',
  sample: `/proc/sys/net/ipv4/tcp_tw_recycle:1
/proc/sys/net/ipv4/tcp_rmem:4096	87380	6291456
net.core.somaxconn = 128
`,
  parse(input) {
    const problems = problemList();
    const values = new Map<string, { lines: string[] | null; line: number | undefined }>();
    const complaint = (text: string, line?: number): boolean => {
      const about = complaintOf(text);
      if (about === undefined) return false;
      if (!about.missing) problems.add(excerpt(text), line);
      else if (!values.has(about.key)) values.set(about.key, { lines: null, line });
      return true;
    };
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '' || complaint(text, line)) continue;
      const read = keyAndValue(text);
      if (read === undefined) {
        problems.add(`not a setting: ${excerpt(text)}`, line);
        continue;
      }
      const known = values.get(read.key);
      // A file of several lines comes as several lines with the same key, from grep and from sysctl alike.
      if (known?.lines) known.lines.push(read.value);
      else values.set(read.key, { lines: [read.value], line });
    }
    for (const text of stderrLines(input)) {
      if (!complaint(text)) problems.add(`stderr: ${excerpt(text)}`);
    }
    if (values.size === 0) return nothingUsable(input, problems, 'setting');
    const entries = [...values].map(([key, { lines, line }]) => {
      const at = line === undefined ? { evidence: input.evidence } : { evidence: input.evidence, line };
      return [key, { value: lines === null ? null : lines.join('\n').trimEnd(), at }] as const;
    });
    return { value: Object.fromEntries(entries), problems: problems.all() };
  },
};

function keyAndValue(text: string): { key: string; value: string } | undefined {
  if (text.startsWith(root)) {
    const colon = text.indexOf(':');
    const key = colon === -1 ? undefined : keyOfPath(text.slice(0, colon));
    return key === undefined ? undefined : { key, value: text.slice(colon + 1) };
  }
  const equals = text.indexOf('=');
  if (equals === -1) return undefined;
  const key = text.slice(0, equals).trimEnd();
  if (!isKey(key)) return undefined;
  const rest = text.slice(equals + 1);
  return { key, value: rest.startsWith(' ') ? rest.slice(1) : rest };
}

function isKey(text: string): boolean {
  return text.length <= 256 && /^[a-z][\w-]*(?:\.[\w/:@+-]+)+$/.test(text);
}

/** The kernel's path to sysctl's key: slashes become dots, and dots inside a name become slashes. */
function keyOfPath(path: string): string | undefined {
  if (!path.startsWith(root) || path.length > 300 || /\s/.test(path)) return undefined;
  const key = path.slice(root.length).replaceAll(/[./]/g, (mark) => (mark === '/' ? '.' : '/'));
  return isKey(key) ? key : undefined;
}

/** strerror(ENOENT) of the C library in the languages that nodes are installed in. */
const noSuchFile =
  /No such file or directory|没有那个文件或目录|沒有此一檔案或目錄|そのようなファイルやディレクトリはありません|Datei oder Verzeichnis nicht gefunden|Aucun fichier ou dossier de ce type|No existe el (?:archivo|fichero) o el directorio|Нет такого файла или каталога|그런 파일이나 디렉터리가 없습니다/;

/** What a tool says of one key instead of its value; undefined where the text is not such a complaint. */
function complaintOf(text: string): { key: string; missing: boolean } | undefined {
  const path = /^(?:[\w./-]*(?:grep|cat|sysctl|busybox)): .{0,20}?(\/proc\/sys\/[^\s:]+)['’"]?: ?(.*)$/.exec(text);
  if (path !== null) {
    const key = keyOfPath((path[1] ?? '').replace(/['’"]$/, ''));
    return key === undefined ? undefined : { key, missing: noSuchFile.test(path[2] ?? '') };
  }
  const unknown = /^(?:sysctl: )?error:? ['"]([^'"]{1,256})['"] is an unknown key/.exec(text);
  if (unknown !== null && isKey(unknown[1] ?? '')) return { key: unknown[1] ?? '', missing: true };
  const named = /^(?:sysctl|error): .{0,60}key ['"]([^'"]{1,256})['"]/.exec(text);
  if (named !== null && isKey(named[1] ?? '')) return { key: named[1] ?? '', missing: false };
  return undefined;
}
