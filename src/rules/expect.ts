import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { FactCatalogue, FactName } from '../model/facts.ts';
import { Words } from '../model/remedy-note.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { likely, notApplicable, ruledOut } from './outcomes.ts';
import { plainSetting } from './sysctl-remedies.ts';

/** What a row may look at, and the fact that it stands in. */
const sources = {
  sysctl: 'sysctl',
  counter: 'counters',
  conntrack: 'conntrackStats',
  mtu: 'links',
  'link-state': 'links',
  own: 'ownValues',
} as const satisfies Record<string, FactName>;
type Source = keyof typeof sources;

const factPattern =
  /^(?:(?:sysctl|counter|conntrack|mtu|link-state):[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,127}|own:[a-z][a-z0-9-]{0,62}\/[\p{L}\p{N}_][^\p{C}]{0,119})$/u;
const Scalar = z.union([z.string(), z.number()]);
const row = {
  fact: z
    .string()
    .regex(
      factPattern,
      'a fact is sysctl:KEY, counter:NAME, conntrack:NAME, mtu:DEVICE, link-state:DEVICE or own:COLLECTOR/NAME',
    ),
  /** Why it matters, for the reader of the report. One text, or one per language. */
  why: Words,
  /** What to do, for a person. One text, or one per language. */
  remedy: Words,
};

/**
 * One check of a team. Counters are compared by how much they rose in the window; everything else by its value.
 * `absent` holds where the setting, counter or device does not exist.
 */
export const Expectation = z.discriminatedUnion('op', [
  z.strictObject({ ...row, op: z.literal('eq'), value: Scalar }),
  z.strictObject({ ...row, op: z.literal('ne'), value: Scalar }),
  z.strictObject({ ...row, op: z.literal('in'), value: z.array(Scalar).min(1) }),
  z.strictObject({ ...row, op: z.literal('min'), value: z.number() }),
  z.strictObject({ ...row, op: z.literal('max'), value: z.number() }),
  z.strictObject({ ...row, op: z.literal('absent') }),
]);
export type Expectation = z.infer<typeof Expectation>;

/** What a row reads: the fact, and the name in it. For `playbooks lint`, which checks that it is collected. */
export function expectationReads(expectation: Expectation): { readonly fact: FactName; readonly name: string } {
  const { source, name } = parts(expectation);
  return { fact: sources[source], name };
}

function parts(expectation: Expectation): { readonly source: Source; readonly name: string } {
  const colon = expectation.fact.indexOf(':');
  // the schema has checked the shape
  return { source: expectation.fact.slice(0, colon) as Source, name: expectation.fact.slice(colon + 1) };
}

/** `absent`: it does not exist on this node. `unread`: it may, but was not read. */
type Reading =
  | { readonly kind: 'value'; readonly value: string | number; readonly at: At }
  | { readonly kind: 'absent'; readonly at: At }
  | { readonly kind: 'unread' };

interface ReadableFacts {
  readonly sysctl?: FactCatalogue['sysctl'];
  readonly counters?: FactCatalogue['counters'];
  readonly conntrackStats?: FactCatalogue['conntrackStats'];
  readonly links?: FactCatalogue['links'];
  readonly ownValues?: FactCatalogue['ownValues'];
}

function read(expectation: Expectation, facts: ReadableFacts): Reading {
  const { source, name } = parts(expectation);
  if (source === 'sysctl') {
    const entry = facts.sysctl?.[name];
    if (entry === undefined) return { kind: 'unread' };
    const value = entry.value?.trim().replace(/\s+/g, ' ');
    return value === undefined ? { kind: 'absent', at: entry.at } : { kind: 'value', value, at: entry.at };
  }
  if (source === 'counter' || source === 'conntrack') {
    const counters = source === 'counter' ? facts.counters : facts.conntrackStats;
    if (counters === undefined) return { kind: 'unread' };
    const entry = counters[name];
    if (entry === undefined) return { kind: 'absent', at: Object.values(counters)[0]?.at ?? askedAt };
    return entry.delta === null ? { kind: 'unread' } : { kind: 'value', value: entry.delta, at: entry.at };
  }
  if (source === 'own') {
    const slash = name.indexOf('/');
    const values = facts.ownValues?.[name.slice(0, slash)];
    if (values === undefined) return { kind: 'unread' };
    const entry = values[name.slice(slash + 1)];
    if (entry !== undefined) return { kind: 'value', value: entry.value, at: entry.at };
    return { kind: 'absent', at: Object.values(values)[0]?.at ?? askedAt };
  }
  if (facts.links === undefined) return { kind: 'unread' };
  const link = facts.links.find((l) => l.name === name);
  if (link === undefined) return { kind: 'absent', at: facts.links[0]?.at ?? askedAt };
  return { kind: 'value', value: source === 'mtu' ? link.mtu : link.state, at: link.at };
}

const equal = (found: string | number, wanted: string | number): boolean =>
  String(found) === String(wanted).trim().replace(/\s+/g, ' ');

/** The number that a value begins with (`0.000012 seconds`); not a number where it begins with something else. */
const numberIn = (found: string | number): number => (typeof found === 'number' ? found : Number.parseFloat(found));

function holds(expectation: Expectation, found: string | number): boolean {
  if (expectation.op === 'absent') return false;
  if (expectation.op === 'in') return expectation.value.some((wanted) => equal(found, wanted));
  if (expectation.op === 'min') return numberIn(found) >= expectation.value;
  if (expectation.op === 'max') return numberIn(found) <= expectation.value;
  return equal(found, expectation.value) === (expectation.op === 'eq');
}

const maxShown = 8;

/**
 * A team's own table of expectations. A row that does not hold is `likely`, never `confirmed`: a setting without its
 * effect, or an effect without its mechanism.
 */
export const expect = defineNodeRule({
  id: 'expect',
  fault: '-',
  scope: 'node',
  asksNothing: true,
  roles: ['target', 'client', 'forwarder'],
  needs: [],
  optional: ['sysctl', 'counters', 'conntrackStats', 'links', 'ownValues'],
  params: z.strictObject({ table: z.array(Expectation).min(1) }),
  sources: ["the playbook's own table"],
  text: {
    en: {
      title: 'Something is not as the playbook expects it',
      language: 'en',
      unread: (v: { fact: string }) => `${v.fact} was not read`,
      broken: (v: { fact: string; found: string; expected: string; why: string }) =>
        `${v.fact} is ${v.found}, expected ${v.expected}: ${v.why}`,
      met: (v: { fact: string; found: string; expected: string }) =>
        `${v.fact} is ${v.found}, as expected (${v.expected})`,
      more: (v: { count: number }) => `${v.count} more are as expected`,
      absent: (v: { fact: string }) => `${v.fact} does not exist on this node`,
      rose: (v: { count: number }) => `+${v.count} in the window`,
      nothing: 'absent',
      oneOf: (v: { list: string }) => `one of ${v.list}`,
      atLeast: (v: { value: number }) => `at least ${v.value}`,
      atMost: (v: { value: number }) => `at most ${v.value}`,
      not: (v: { value: string }) => `anything but ${v.value}`,
      risk: 'See what else depends on the setting before changing it',
    },
    zh: {
      title: '有项目与 playbook 的期望不符',
      language: 'zh',
      unread: (v) => `没有读到 ${v.fact}`,
      broken: (v) => `${v.fact} 是 ${v.found}，期望 ${v.expected}：${v.why}`,
      met: (v) => `${v.fact} 是 ${v.found}，符合期望（${v.expected}）`,
      more: (v) => `另有 ${v.count} 项符合期望`,
      absent: (v) => `该节点上不存在 ${v.fact}`,
      rose: (v) => `窗口内 +${v.count}`,
      nothing: '不存在',
      oneOf: (v) => `以下之一：${v.list}`,
      atLeast: (v) => `不小于 ${v.value}`,
      atMost: (v) => `不大于 ${v.value}`,
      not: (v) => `不等于 ${v.value}`,
      risk: '修改前先确认还有什么依赖这个设置',
    },
  },
  evaluate({ node, facts, params, say }) {
    const unread: { fact: FactName; node: string; why: string }[] = [];
    const broken: Because[] = [];
    const remedies: Remedy[] = [];
    const met: Because[] = [];
    const absent: Because[] = [];

    for (const expectation of params.table) {
      const { fact } = expectation;
      const found = read(expectation, facts);
      if (found.kind === 'unread') {
        unread.push({ fact: expectationReads(expectation).fact, node, why: say.unread({ fact }) });
      } else if (found.kind === 'absent') {
        (expectation.op === 'absent' ? met : absent).push(because(say.absent({ fact }), found.at));
      } else if (holds(expectation, found.value)) {
        met.push(
          because(say.met({ fact, found: shown(expectation, found.value), expected: wanted(expectation) }), found.at),
        );
      } else {
        const values = {
          fact,
          found: shown(expectation, found.value),
          expected: wanted(expectation),
          why: inLanguage(expectation.why),
        };
        broken.push(because(say.broken(values), found.at));
        remedies.push(remedyOf(expectation, found.value));
      }
    }

    if (broken.length > 0) return likely(broken, remedies);
    if (unread.length > 0) return { undecided: unread };
    if (met.length === 0) return notApplicable(...absent.slice(0, maxShown));
    const next = met[maxShown];
    return ruledOut(
      ...met.slice(0, maxShown),
      ...(next === undefined ? [] : [because(say.more({ count: met.length - maxShown }), { evidence: next.evidence })]),
    );

    function inLanguage(words: Expectation['why']): string {
      if (typeof words === 'string') return words;
      return say.language === 'zh' ? words.zh : words.en;
    }

    function shown(expectation: Expectation, value: string | number): string {
      const { source } = parts(expectation);
      return (source === 'counter' || source === 'conntrack') && typeof value === 'number'
        ? say.rose({ count: value })
        : String(value);
    }

    function wanted(expectation: Expectation): string {
      if (expectation.op === 'absent') return say.nothing;
      if (expectation.op === 'in') return say.oneOf({ list: expectation.value.join(', ') });
      if (expectation.op === 'min') return say.atLeast({ value: expectation.value });
      if (expectation.op === 'max') return say.atMost({ value: expectation.value });
      const value = String(expectation.value);
      return expectation.op === 'eq' ? value : say.not({ value });
    }

    /** With the command where the row itself says what the value should be. */
    function remedyOf(expectation: Expectation, found: string | number): Remedy {
      const { source, name } = parts(expectation);
      const value = expectation.op === 'eq' ? plainSetting(String(expectation.value)) : null;
      const write = (v: string): string[] => [v.includes(' ') ? `sysctl -w ${name}='${v}'` : `sysctl -w ${name}=${v}`];
      const previous = plainSetting(String(found));
      const settable = source === 'sysctl' && value !== null;
      return {
        kind: settable ? 'temporary' : 'permanent',
        node,
        text: inLanguage(expectation.remedy),
        commands: settable ? write(value) : [],
        undo: settable && previous !== null ? write(previous) : [],
        risk: say.risk,
      };
    }
  },
});
