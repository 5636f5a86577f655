import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { referenceOf } from '../../src/commands/rules.ts';
import { defaultPlaybook } from '../../src/engine/playbook-set.ts';
import { readRegistries } from '../../src/load-registries.ts';
import { languages } from '../../src/model/language.ts';
import { renderPlaybookList, renderPlaybookReference } from '../../src/report/playbook-reference.ts';
import { readPage } from '../../src/report/read-page.ts';
import { renderRuleList, renderRuleReference } from '../../src/report/rule-reference.ts';
import { stringWidth } from '../../src/report/string-width.ts';
import { rules } from '../../src/rules/index.ts';

const { registries } = await readRegistries(undefined);
const pages = path.join(import.meta.dirname, '..', '..', 'docs', 'rules');
const views = languages.flatMap((language) => [80, 120].map((width) => ({ language, width })));

function show(id: string, view: (typeof views)[number] & { readonly colour?: boolean }): string {
  const rule = rules.get(id);
  if (rule === undefined) throw new Error(id);
  const file = path.join(pages, `${id}.md`);
  return renderRuleReference(
    referenceOf(rule, registries, view.language),
    existsSync(file) ? readPage(readFileSync(file, 'utf8')) : undefined,
    view,
  );
}

/** Commands stay whole, so that they can be copied: they are indented by six. */
function tooWide(text: string, width: number): readonly string[] {
  return text.split('\n').filter((line) => stringWidth(line) > width && !line.startsWith('      '));
}

describe.each(views)('$language, $width columns', (view) => {
  it.each([...rules.keys()])('rules show %s fits, without colour and Markdown', (id) => {
    const text = show(id, view);
    expect(tooWide(text, view.width)).toEqual([]);
    expect(text).not.toMatch(/[\u001b]|\*\*|`|\]\(/);
    expect(text.endsWith('\n')).toBe(true);
  });

  it('rules list and playbooks list fit', () => {
    const all = [...rules.values()].map((rule) => referenceOf(rule, registries, view.language));
    const lists = [
      renderRuleList(all, view),
      renderPlaybookList([...registries.playbooks.values()], { defaultPlaybook }, view),
    ];
    for (const list of lists) expect(tooWide(list, view.width)).toEqual([]);
    for (const { id } of all) expect(lists[0]).toContain(id);
    for (const id of registries.playbooks.keys()) expect(lists[1]).toContain(id);
  });

  it.each([...registries.playbooks.keys()])('playbooks show %s fits, and names what it collects and asks', (id) => {
    const playbook = registries.playbooks.get(id);
    if (playbook === undefined) throw new Error(id);
    const titles = new Map(
      [...rules].map(([key, { text, fault }]) => [key, { title: text[view.language].title, fault }]),
    );
    const text = renderPlaybookReference(
      playbook,
      { about: 'What it is for.', file: `playbooks/${id}.yaml` },
      { collectors, rules: titles, defaultPlaybook },
      view,
    );
    expect(tooWide(text, view.width)).toEqual([]);
    for (const { use } of [...playbook.collect, ...playbook.rules]) expect(text).toContain(use);
  });
});

describe('playbooks show', () => {
  const shown = (id: string, language: 'en' | 'zh' = 'en'): string => {
    const playbook = registries.playbooks.get(id);
    if (playbook === undefined) throw new Error(id);
    return renderPlaybookReference(
      playbook,
      { about: '', file: `${id}.yaml` },
      { collectors, rules: new Map(), defaultPlaybook },
      { language, width: 120 },
    );
  };

  it('says what else than words chooses it, and what it includes', () => {
    expect(shown('port-check')).toContain('the default: chosen where no word');
    expect(shown('dns-slow')).toContain('53/udp');
    expect(shown('tunnel-check')).toContain('Joins where the way turns out to lead through a tunnel');
    expect(shown('tunnel-check', 'zh')).toContain('隧道');
    expect(shown('intermittent')).toContain('includes port-check');
  });

  it('shows where and when a collector runs, with its parameters', () => {
    expect(shown('port-check')).toMatch(
      /tcp-probe +client +during, from clients .*\n(?: .*\n)*? .*attempts 8, timeoutSec 4/,
    );
    expect(shown('port-check')).toMatch(/path-drop .*minLost 3/);
  });
});

describe('rules show', () => {
  const text = show('path-drop', { language: 'en', width: 120 });

  it('has everything that a reader asks for', () => {
    for (const heading of ['WHAT IT IS', 'NEEDS', 'WHAT DECIDES IT', 'WHAT REFUTES IT', 'REMEDY', 'FALSE POSITIVES'])
      expect(text).toContain(heading);
    expect(text).toContain('F12 · judges: the path');
    expect(text).toMatch(/capture \(client\) +capture/);
    expect(text).toContain('parameters: minLost (3)');
    expect(text).toMatch(/USED BY\n.*port-check/);
  });

  it('speaks Chinese where it can, and says where it cannot', () => {
    const chinese = show('path-drop', { language: 'zh', width: 80 });
    expect(chinese).toMatch(/^path-drop：报文/);
    expect(chinese).toContain('判定依据');
    expect(chinese).toContain('已确认 confirmed');
    expect(chinese).toContain('目前只有英文');
  });

  it('paints only where colour is wanted', () => {
    expect(show('path-drop', { language: 'en', width: 80, colour: true })).toContain('\u001b[');
  });

  it('does without a page', () => {
    const rule = rules.get('path-drop');
    if (rule === undefined) throw new Error('path-drop');
    const bare = renderRuleReference(referenceOf(rule, registries, 'en'), undefined, { language: 'en' });
    expect(bare).toContain('There is no page about it.');
    expect(bare).toContain('RFC 1812 section 5.2.7.1');
  });
});
