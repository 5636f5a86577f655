import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { checkPlugins } from '../src/check-plugins.ts';
import { collectors } from '../src/collectors/index.ts';
import { parseConfig } from '../src/config.ts';
import { readPlaybooks } from '../src/load-playbooks.ts';
import { readPlugins } from '../src/load-plugins.ts';
import { loadRegistries } from '../src/load-registries.ts';
import { noContext } from '../src/engine/no-context.ts';
import { parsers } from '../src/parsers/index.ts';
import { rules } from '../src/rules/index.ts';

const own = { rules, collectors, parsers };
const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

/** A directory with these files. */
function plugin(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'netcheck-plugin-'));
  made.push(directory);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), text);
  }
  return directory;
}

const collector = (id: string, more: Readonly<Record<string, string>> = {}): string => {
  const fields = {
    id: `'${id}'`,
    purpose: "'what a test wants to know'",
    params: 'z.strictObject({})',
    when: "'once'",
    provides: "['ownValues']",
    commands: "() => [{ argv: ['uptime'], privilege: 'none', timeoutMs: 1000, maxBytes: 1000, kind: 'key-values' }]",
    ...more,
  };
  return `export const collector = ({ z }) => ({\n${Object.entries(fields)
    .map(([key, value]) => `  ${key}: ${value},`)
    .join('\n')}\n});\n`;
};
const command = (argv: readonly string[], more = ''): Readonly<Record<string, string>> => ({
  commands: `() => [{ argv: ${JSON.stringify(argv)}, privilege: 'none', timeoutMs: 1000, maxBytes: 1000, kind: 'key-values'${more} }]`,
});
const rule = (id: string, more: Readonly<Record<string, string>> = {}): string => {
  const fields = {
    id: `'${id}'`,
    fault: "'-'",
    scope: "'node'",
    roles: "['target']",
    needs: "['sysctl']",
    optional: '[]',
    params: 'kit.z.strictObject({})',
    sources: "['a test']",
    text: "{ en: { title: 'It is broken' }, zh: { title: '坏了' } }",
    evaluate: '() => kit.ruledOut()',
    ...more,
  };
  return `export const rule = (kit) => ({\n${Object.entries(fields)
    .map(([key, value]) => `  ${key}: ${value},`)
    .join('\n')}\n});\n`;
};

/** Problems, with the directory taken off. */
async function problemsOf(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const directory = plugin(files);
  const { problems } = await readPlugins([directory], own);
  return problems.map((one) => one.replace(`${directory}/`, ''));
}

describe('plug-ins', () => {
  it('add a rule and a collector', async () => {
    const found = await readPlugins(
      [plugin({ 'rules/mine.mjs': rule('mine'), 'collectors/mine.mjs': collector('mine') })],
      own,
    );
    expect(found.problems).toEqual([]);
    expect([...found.rules.keys(), ...found.collectors.keys()]).toEqual(['mine', 'mine']);
  });

  it('take the compiled file and not its source', async () => {
    const found = await readPlugins(
      [plugin({ 'rules/mine.ts': 'this is not TypeScript', 'rules/mine.js': rule('mine') })],
      own,
    );
    expect(found.problems).toEqual([]);
  });

  it.each([
    ['a directory that is none', {}, [/there is no plug-in; a plug-in has a directory rules\/ or collectors\//]],
    [
      'a built-in rule',
      { 'rules/tw-recycle.mjs': rule('tw-recycle') },
      [/^rules\/tw-recycle.mjs:2: "tw-recycle" is netcheck's own rule; give yours/],
    ],
    [
      'a built-in collector',
      { 'collectors/sysctl.mjs': collector('sysctl') },
      [/^collectors\/sysctl.mjs:2: "sysctl" is netcheck's own collector/],
    ],
    [
      'a file of another name',
      { 'rules/other.mjs': rule('mine') },
      [/^rules\/other.mjs:2: the file of "mine" is called mine.mjs/],
    ],
    [
      'no export',
      { 'rules/mine.mjs': 'export const rules = 1;\n' },
      [/^rules\/mine.mjs:1: it exports no function "rule".*write: export const rule = /],
    ],
    [
      'a syntax error',
      { 'rules/mine.mjs': 'export const a = 1;\nexport const rule = (kit => {\n' },
      [/^rules\/mine.mjs:\d+: it could not be loaded: /],
    ],
    [
      'an import that is not there',
      { 'rules/mine.mjs': "import { x } from './not-there.mjs';\nexport const rule = () => x;\n" },
      [/^rules\/mine.mjs:\d+: it could not be loaded: .*not-there/],
    ],
    [
      'an exception',
      { 'rules/mine.mjs': "export const rule = () => {\n  throw new Error('no idea');\n};\n" },
      [/^rules\/mine.mjs:2: it could not be loaded: no idea/],
    ],
    [
      'a field that is missing',
      { 'rules/mine.mjs': rule('mine').replace(/ {2}roles.*\n/, '') },
      [/^rules\/mine.mjs:\d+: roles: /],
    ],
    [
      'a scope that does not exist',
      { 'rules/mine.mjs': rule('mine', { scope: "'world'" }) },
      [/^rules\/mine.mjs:4: scope: /],
    ],
    [
      'a fact that nobody gives',
      { 'rules/mine.mjs': rule('mine', { needs: "['weather']" }) },
      [/^rules\/mine.mjs:6: no collector gives the fact "weather"/],
    ],
    [
      'texts with other keys',
      { 'rules/mine.mjs': rule('mine', { text: "{ en: { title: 'a', b: 'c' }, zh: { title: '坏' } }" }) },
      [/text.en and text.zh do not have the same keys/],
    ],
    [
      'a fault that is none',
      { 'rules/mine.mjs': rule('mine', { fault: "'mine-1'" }) },
      [/its fault is an entry of docs\/faults.md/],
    ],
    [
      'a capture',
      { 'collectors/mine.mjs': collector('mine', { when: "'capture'" }) },
      [/^collectors\/mine.mjs:5: when: is "once", "delta", "active" or "last"/],
    ],
    [
      'a fact that does not exist',
      { 'collectors/mine.mjs': collector('mine', { provides: "['weather']" }) },
      [/provides: there is no fact "weather"/],
    ],
    [
      'a shell',
      { 'collectors/mine.mjs': collector('mine', command(['sh', '-c', 'uptime'])) },
      [/^collectors\/mine.mjs:7: commands: sh runs what it is given/],
    ],
    [
      'a shell string',
      { 'collectors/mine.mjs': collector('mine', { commands: "() => ['uptime; reboot']" }) },
      [/commands: .*expected object/],
    ],
    [
      'a path',
      { 'collectors/mine.mjs': collector('mine', command(['/tmp/evil'])) },
      [/argv: the first word is the name of a program/],
    ],
    ['a newline', { 'collectors/mine.mjs': collector('mine', command(['uptime', 'a\nb'])) }, [/no control characters/]],
    [
      'a parser that is not there',
      { 'collectors/mine.mjs': collector('mine', command(['uptime'], ", kind: 'weather'")) },
      [/no parser reads the kind "weather"/],
    ],
    [
      'no bound',
      { 'collectors/mine.mjs': collector('mine', command(['uptime'], ', timeoutMs: 3_600_000')) },
      [/timeoutMs: Too big/],
    ],
    [
      'a key of which nobody knows',
      { 'collectors/mine.mjs': collector('mine', command(['uptime'], ', shell: true')) },
      [/Unrecognized key: "shell"/],
    ],
    [
      'root with a value of the run',
      {
        'collectors/mine.mjs': collector('mine', {
          commands:
            "(_params, { target }) => [{ argv: ['cat', target], privilege: 'root', timeoutMs: 1000, maxBytes: 1000, kind: 'key-values' }]",
        }),
      },
      [/what needs root is the same in every run/],
    ],
    [
      'a parameter without a default',
      { 'collectors/mine.mjs': collector('mine', { params: 'z.strictObject({ name: z.string() })' }) },
      [/every parameter of a plug-in needs a default/],
    ],
    [
      'an alternative that is not allowed',
      {
        'collectors/mine.mjs': collector(
          'mine',
          command(
            ['uptime'],
            ", otherwise: { argv: ['rm', 'x'], privilege: 'none', timeoutMs: 1000, maxBytes: 1000, kind: 'key-values' }",
          ),
        ),
      },
      [/rm is not run by plug-ins/],
    ],
  ] as const)('are refused: %s', async (_name, files, wanted) => {
    const problems = await problemsOf(files);
    expect(problems).toHaveLength(wanted.length);
    for (const [index, pattern] of wanted.entries()) expect(problems[index]).toMatch(pattern);
  });

  it('are refused where two have one id', async () => {
    const [first, second] = [plugin({ 'rules/mine.mjs': rule('mine') }), plugin({ 'rules/mine.mjs': rule('mine') })];
    const { problems } = await readPlugins([first ?? '', second ?? ''], own);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/"mine" is already in .*rules\/mine\.mjs/);
  });

  it('cannot do in a run what they did not do before it', async () => {
    const refused: string[] = [];
    const late = collector('mine', {
      commands:
        "(_params, { port }) => [{ argv: port === 64999 ? ['uptime'] : ['reboot'], privilege: 'none', timeoutMs: 1000, maxBytes: 1000, kind: 'key-values' }]",
    });
    const { collectors: found, problems } = await readPlugins([plugin({ 'collectors/mine.mjs': late })], own, (one) =>
      refused.push(one),
    );
    expect(problems).toEqual([]);
    expect(found.get('mine')?.commands({}, noContext)).toEqual([]);
    expect(refused).toEqual([expect.stringMatching(/reboot is not run by plug-ins.*nothing of it was run/)]);
  });

  it('stop netcheck before anything runs, with every problem', async () => {
    const directory = plugin({ 'rules/tw-recycle.mjs': rule('tw-recycle') });
    const config = parseConfig(`plugins: [${directory}]\n`, 'netcheck.yaml');
    await expect(loadRegistries({ config, directory })).rejects.toThrow(/netcheck's own rule/);
  });
});

describe('netcheck rules check', () => {
  const page = '# `mine`\n## What decides it\n## Remedy\n## False positives\n## Sources\n';
  const sysctlCase = (name: string, verdict: string): string =>
    `- name: '${name}: it'\n  verdict: ${verdict}\n  evidence:\n    - { collector: sysctl, kind: sysctl, text: "/proc/sys/net/core/somaxconn:128\\n" }\n`;
  const check = async (files: Readonly<Record<string, string>>) => {
    const directory = plugin(files);
    const { problems, cases } = await checkPlugins(directory, own);
    return { cases, problems: problems.map((one) => one.replace(/^.*(?=rules\/)/, '')) };
  };

  it('asks for a page and cases', async () => {
    expect((await check({ 'rules/mine.mjs': rule('mine') })).problems).toEqual([
      'rules/mine.mjs:1: there is no page mine.md beside it',
      'rules/mine.mjs:1: there are no cases mine.cases.yaml beside it',
    ]);
  });

  it('says which heading, which kind of case and which verdict is not there', async () => {
    const { problems, cases } = await check({
      'rules/mine.mjs': rule('mine', { evaluate: '() => kit.confirmed([kit.because("it is", kit.askedAt)], [])' }),
      'rules/mine.md': page.replace('## Remedy\n', ''),
      'rules/mine.cases.yaml': sysctlCase('fires', 'confirmed') + sysctlCase('stays silent', 'ruledOut'),
    });
    expect(cases).toBe(2);
    expect(problems).toEqual([
      'rules/mine.md:1: the page has no "Remedy"',
      'rules/mine.cases.yaml:1: no case "missing evidence: …"',
      'rules/mine.cases.yaml:1: "fires: it": it is confirmed and has no remedy',
      'rules/mine.cases.yaml:5: "stays silent: it": the verdict is confirmed, not ruledOut (it is)',
      'rules/mine.cases.yaml:5: "stays silent: it": it is confirmed and has no remedy',
    ]);
  });

  it('says where a case is not written as it should be', async () => {
    const { problems } = await check({
      'rules/mine.mjs': rule('mine'),
      'rules/mine.md': page,
      'rules/mine.cases.yaml': "- name: 'it works'\n  verdict: perhaps\n",
    });
    expect(problems).toEqual([
      expect.stringMatching(/^rules\/mine.cases.yaml:1:3: 0.name: begins with "fires: "/),
      expect.stringMatching(/^rules\/mine.cases.yaml:2:3: 0.verdict: allowed are "confirmed"/),
    ]);
  });
});

describe('additions in a playbook directory', () => {
  const read = (text: string) => {
    const directory = plugin({ 'additions.yaml': text });
    const { problems, ...rest } = readPlaybooks([directory], own);
    return { ...rest, problems: problems.map((one) => one.text.replace(/^.*(?=additions)/, '')) };
  };

  it('name the playbook and the rule that they add to', () => {
    const { problems } = read(
      'symptomWords:\n  port-chekc: { en: [x] }\nremedyNotes:\n  tw-recylce:\n    - { kind: permanent, text: a, risk: b }\n',
    );
    expect(problems).toEqual([
      'additions.yaml:2:3: there is no playbook "port-chekc" (did you mean port-check?)',
      'additions.yaml:4:3: there is no rule "tw-recylce" (did you mean tw-recycle?)',
    ]);
  });

  it('say their risk', () => {
    const { problems } = read('remedyNotes:\n  tw-recycle:\n    - { kind: permanent, text: a }\n');
    expect(problems).toEqual([expect.stringMatching(/^additions.yaml:3:\d+: remedyNotes.tw-recycle.0.risk: /)]);
  });
});
