import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { packRun } from '../../src/adapters/files/pack-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import { VerdictNote } from '../../src/model/verdict-note.ts';
import { parsers } from '../../src/parsers/index.ts';
import { renderJson } from '../../src/report/json.ts';
import { rules } from '../../src/rules/index.ts';

/**
 * Makes a case of a run that netcheck misread: a folder of `<data>/wrong-verdicts`, or a saved run.
 *
 *     node --import tsx test/cases/import.ts <data>/wrong-verdicts/<run id> NAME
 *
 * The last note (`note.json`) becomes `expect.json`; look at it, and watch the case fail before the rule is mended. Then
 * `node --import tsx test/cases/rejudge.ts` writes the new report.
 */
const [from = '', name = ''] = process.argv.slice(2);
if (!/^[a-z0-9][a-z0-9-]*$/.test(name) || !existsSync(path.join(from, 'run.json'))) {
  process.stderr.write('Usage: node --import tsx test/cases/import.ts DIRECTORY-OF-THE-RUN NAME\n');
  process.exit(64);
}
const to = path.join(import.meta.dirname, name);
mkdirSync(to);
const { record, evidence } = await loadRun(from);
writeFileSync(path.join(to, 'run.tar.gz'), await packRun(from));
const report = judge(record, evidence, { collectors, parsers, rules });
writeFileSync(path.join(to, 'report.json'), renderJson(report));

const noteFile = path.join(from, 'note.json');
const note = existsSync(noteFile)
  ? z
      .array(VerdictNote)
      .parse(JSON.parse(readFileSync(noteFile, 'utf8')))
      .at(-1)
  : undefined;
const target = report.nodes.find(({ roles }) => roles.includes('target'))?.name ?? '';
const expectation =
  note === undefined || !rules.has(note.was)
    ? { verdict: note?.was === 'other' ? 'inconclusive' : 'clear', confirmed: [] }
    : { verdict: 'found', confirmed: [{ rule: note.was, node: target }] };
writeFileSync(path.join(to, 'expect.json'), `${JSON.stringify(expectation, null, 2)}\n`);
process.stdout.write(`${to}: expects ${JSON.stringify(expectation)}${note ? `, because: ${note.words}` : ''}\n`);
