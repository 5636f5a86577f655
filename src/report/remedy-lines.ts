import type { Remedy } from '../model/report.ts';
import type { TextPage } from './text-page.ts';

/** A remedy on a page for a terminal: what it does, the commands alone on their lines, the risk, how to undo it. */
export function remedyLines(page: TextPage, remedy: Remedy): void {
  const { words } = page;
  const on = remedy.node === undefined ? '' : ` · ${remedy.node}`;
  const what = remedy.text === undefined ? '' : `${words.colon}${remedy.text}`;
  page.text(`${words.remedy[remedy.kind]}${on}${what}`, {
    indent: 2,
    lead: words.remedy[remedy.kind],
    leadStyle: ['bold'],
  });
  page.commands(remedy.commands, ['cyan']);
  if (remedy.manifest !== undefined) {
    page.text(`${remedy.manifest.file}${words.colon.trimEnd()}`, { indent: 4, style: ['dim'] });
    page.commands([remedy.manifest.yaml.trimEnd()], []);
  }
  if (remedy.risk.trim() !== '') {
    page.text(`${words.risk}${words.colon}${remedy.risk}`, {
      indent: 4,
      lead: words.risk,
      leadStyle: ['yellow'],
    });
  }
  if (remedy.undo.length > 0) {
    page.text(`${words.undo}${words.colon.trimEnd()}`, { indent: 4, style: ['dim'] });
    page.commands(remedy.undo, []);
  }
}
