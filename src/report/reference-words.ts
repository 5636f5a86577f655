import type { Collector } from '../model/command.ts';
import type { Language } from '../model/language.ts';
import type { AnyRule } from '../model/rule.ts';

/** Words of `rules` and `playbooks` on the command line. Both languages have the same keys. */
export interface ReferenceWords {
  readonly rule: string;
  readonly rules: string;
  readonly fault: string;
  readonly judges: string;
  readonly finds: string;
  readonly playbook: string;
  readonly answers: string;
  readonly chosenBy: string;
  readonly theDefault: string;
  readonly theDefaultInList: string;
  readonly byNameOnly: string;
  readonly includes: string;
  readonly forQuestion: (question: string) => string;
  readonly joinsWhere: (seen: string) => string;
  readonly scope: Readonly<Record<Exclude<AnyRule['scope'], 'node'>, string>>;
  readonly needs: string;
  readonly needsNothing: string;
  readonly canUse: string;
  readonly mustHave: string;
  readonly moreWords: (count: number) => string;
  readonly fact: string;
  readonly givenBy: string;
  readonly parameters: string;
  readonly usedBy: string;
  readonly alsoPcap: string;
  readonly nowhere: string;
  readonly noPage: string;
  /** The pages are written in English; said where the reader asked for another language. Empty: they are in this one. */
  readonly pageLanguage: string;
  readonly purposeLanguage: string;
  /** Headings of the pages in `docs/rules/`. */
  readonly headings: Readonly<Record<string, string>>;
  readonly collects: string;
  readonly on: string;
  readonly when: Readonly<Record<Collector['when'], string>>;
  readonly whenColumn: string;
  readonly what: string;
  readonly with: string;
  readonly everywhere: string;
  readonly inThisOrder: string;
  readonly expectations: string;
  readonly expected: string;
  readonly why: string;
  readonly op: Readonly<Record<'eq' | 'ne' | 'in' | 'min' | 'max' | 'absent', string>>;
  readonly ownNotes: string;
  readonly from: string;
  readonly more: (command: string) => string;
}

export const referenceWords: Readonly<Record<Language, ReferenceWords>> = {
  en: {
    rule: 'rule',
    rules: 'rules',
    fault: 'fault',
    judges: 'judges',
    finds: 'what it finds',
    playbook: 'playbook',
    answers: 'answers',
    chosenBy: 'chosen by',
    theDefault: 'the default: chosen where no word of the question chooses another',
    theDefaultInList: '(default)',
    forQuestion: (question) => `Questions about port ${question} that no word chooses another for`,
    joinsWhere: (seen) => `Joins where ${seen}`,
    byNameOnly: 'no words: chosen by its name only',
    includes: 'includes',
    scope: { path: 'the path', capture: 'one capture' },
    needs: 'needs',
    needsNothing: 'nothing for certain',
    canUse: 'can use',
    mustHave: 'needs',
    moreWords: (count) => `… and ${count} more`,
    fact: 'fact',
    givenBy: 'collector',
    parameters: 'parameters',
    usedBy: 'used by',
    alsoPcap: 'netcheck pcap (every rule on one capture)',
    nowhere: 'no playbook',
    noPage: 'There is no page about it.',
    pageLanguage: '',
    purposeLanguage: '',
    headings: {},
    collects: 'what is collected',
    on: 'on',
    when: {
      once: 'before',
      delta: 'before and after',
      capture: 'during',
      probe: 'during, from clients',
      active: 'after; sends packets',
      last: 'after',
    },
    whenColumn: 'when',
    what: 'what it is',
    with: 'with',
    everywhere: 'every node',
    inThisOrder: 'in this order',
    expectations: 'what is expected',
    expected: 'expected',
    why: 'why',
    op: { eq: '=', ne: 'not', in: 'one of', min: 'at least', max: 'at most', absent: 'absent' },
    ownNotes: "your team's notes",
    from: 'from',
    more: (command) => `More: ${command}`,
  },
  zh: {
    rule: '规则',
    rules: '规则',
    fault: '故障',
    judges: '判断对象',
    finds: '能发现什么',
    playbook: 'playbook',
    answers: '回答的问题',
    chosenBy: '触发词',
    theDefault: '默认：提问中没有其他 playbook 的触发词时使用',
    theDefaultInList: '（默认）',
    forQuestion: (question) => `端口 ${question} 的问题，且没有其他词选择别的剧本`,
    joinsWhere: (seen) => `${seen}时加入`,
    byNameOnly: '没有触发词：只能按名称选用',
    includes: '包含',
    scope: { path: '整条路径', capture: '单个抓包' },
    needs: '需要的事实',
    needsNothing: '没有必需的事实',
    canUse: '可选',
    mustHave: '必需',
    moreWords: (count) => `…等另外 ${count} 个`,
    fact: '事实',
    givenBy: '采集器',
    parameters: '参数',
    usedBy: '在哪里使用',
    alsoPcap: 'netcheck pcap（所有基于单个抓包的规则）',
    nowhere: '没有 playbook 使用',
    noPage: '没有说明页。',
    pageLanguage: '（以下说明目前只有英文）',
    purposeLanguage: '（采集器的说明目前只有英文）',
    headings: {
      'What it is': '含义',
      'How people describe it': '用户的说法',
      'What decides it': '判定依据',
      'What refutes it': '排除依据',
      Remedy: '处理办法',
      'False positives': '误报',
      Kernels: '内核',
      Sources: '来源',
    },
    collects: '采集内容',
    on: '节点',
    when: {
      once: '之前',
      delta: '之前和之后',
      capture: '期间',
      probe: '期间，从客户端',
      active: '之后；会发包',
      last: '之后',
    },
    whenColumn: '时间',
    what: '说明',
    with: '参数',
    everywhere: '所有节点',
    inThisOrder: '按此顺序',
    expectations: '期望',
    expected: '期望值',
    why: '原因',
    op: { eq: '=', ne: '不等于', in: '以下之一', min: '不小于', max: '不大于', absent: '不存在' },
    ownNotes: '团队备注',
    from: '来自',
    more: (command) => `详情：${command}`,
  },
};
