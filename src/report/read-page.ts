/** What a page of a rule is made of: as much of Markdown as those pages use. */
export type PageBlock =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  /** Without its header and its ruler. */
  | { readonly kind: 'table'; readonly rows: readonly (readonly string[])[] }
  | { readonly kind: 'code'; readonly lines: readonly string[] };

export interface Page {
  readonly title: string;
  /** By heading, in the order of the page; what stands before the first heading has the heading ''. */
  readonly sections: ReadonlyMap<string, readonly PageBlock[]>;
}

/** Reads a page of `docs/rules/`. Anything that it does not know becomes text. */
export function readPage(markdown: string): Page {
  let title = '';
  let heading = '';
  const sections = new Map<string, PageBlock[]>();
  const lines = markdown.split(/\r?\n/);
  const blocks = (): PageBlock[] => {
    const found = sections.get(heading) ?? [];
    sections.set(heading, found);
    return found;
  };
  /** Takes the lines from here on for which `belongs` holds. */
  const take = (from: number, belongs: (line: string) => boolean): readonly string[] => {
    let end = from;
    while (end < lines.length && belongs(lines[end] ?? '')) end += 1;
    return lines.slice(from, end);
  };
  for (let index = 0; index < lines.length; ) {
    const line = lines[index] ?? '';
    if (line.startsWith('# ')) title = line.slice(2).trim();
    else if (/^#{2,6} /.test(line)) heading = line.replace(/^#+ /, '').trim();
    else if (line.startsWith('```')) {
      const code = take(index + 1, (one) => !one.startsWith('```'));
      blocks().push({ kind: 'code', lines: code });
      index += code.length + 1;
    } else if (line.startsWith('|')) {
      const rows = take(index, (one) => one.startsWith('|'));
      blocks().push({ kind: 'table', rows: rows.slice(2).map(cellsOf) });
      index += rows.length - 1;
    } else if (/^[-*] /.test(line)) {
      const list = take(index, (one) => /^[-*] |^ {2,}\S/.test(one));
      const items = list.join('\n').split(/\n?^[-*] /m);
      blocks().push({ kind: 'list', items: items.slice(1).map(oneLine) });
      index += list.length - 1;
    } else if (line.trim() !== '' && !line.startsWith('<!--')) {
      // its first line may look like anything: a page that is not well formed must not keep us here
      const text = [line, ...take(index + 1, (one) => one.trim() !== '' && !/^(?:#|\||```|[-*] )/.test(one))];
      blocks().push({ kind: 'text', text: oneLine(text.join('\n')) });
      index += text.length - 1;
    }
    index += 1;
  }
  return { title, sections };
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

function cellsOf(row: string): readonly string[] {
  const cells = row.split(/(?<!\\)\|/).map((cell) => oneLine(cell.replaceAll('\\|', '|')));
  return cells.slice(1, cells.at(-1) === '' ? -1 : undefined);
}

/** Markdown of one line -> what a person reads: no backticks, no links, no bold. */
export function plainText(markdown: string): string {
  return markdown
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/\*\*([^*]+)\*\*/g, '$1')
    .replaceAll('`', '');
}
