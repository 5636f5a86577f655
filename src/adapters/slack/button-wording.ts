import type { Language } from '../../model/language.ts';

/** What the buttons Explain, Evidence and Wrong verdict say. Titles of modals have at most 24 characters. */
export interface ButtonWording {
  readonly explain: string;
  readonly evidence: string;
  readonly wrongVerdict: string;
  readonly close: string;
  readonly send: string;
  readonly wouldRun: string;
  readonly didRun: string;
  readonly notHere: string;
  readonly outputNotHere: string;
  readonly noModal: string;
  readonly whatWasIt: string;
  readonly pickRule: string;
  readonly notARule: string;
  readonly nothing: string;
  readonly other: string;
  readonly rules: (from: string, to: string) => string;
  readonly inYourWords: string;
  readonly wordsHint: string;
  readonly wordsNeeded: string;
  readonly said: (headline: string) => string;
  readonly kept: string;
  readonly keptAlone: string;
  readonly notKept: string;
}

const en: ButtonWording = {
  explain: 'Explain',
  evidence: 'Evidence',
  wrongVerdict: 'Wrong verdict',
  close: 'Close',
  send: 'Send',
  wouldRun: 'What this run does on which node. Every command only reads.',
  didRun: 'What this run did on which node, how long it took, and how it ended.',
  notHere:
    'This run is not saved on the machine that got your click (it has not ended, or another worker had it). What is in it comes with the answer, as the bundle in the thread: `netcheck replay` reads it.',
  outputNotHere: 'This output is not saved here. The bundle in the thread has it.',
  noModal: 'Slack did not show the window. Press the button once more.',
  whatWasIt: 'What was it instead?',
  pickRule: 'Pick a cause',
  notARule: 'Not one of these',
  nothing: 'Nothing was wrong',
  other: 'Something else (say what)',
  rules: (from, to) => `${from} … ${to}`,
  inYourWords: 'In your words',
  wordsHint: 'How you found out, and what fixed it. It is kept with the run, as a test for netcheck.',
  wordsNeeded: 'Please say what it was.',
  said: (headline) => `netcheck said: ${headline}`,
  kept: 'Thank you. It is kept with the run, as a test that netcheck has to pass.',
  keptAlone:
    'Thank you. Your note is kept. The run itself is not saved on this machine: please keep the bundle of this thread, it belongs to the note.',
  notKept: 'Your note could not be saved. The log of the bot says why.',
};

const zh: ButtonWording = {
  explain: '说明',
  evidence: '证据',
  wrongVerdict: '结论有误',
  close: '关闭',
  send: '提交',
  wouldRun: '这次运行在各节点上执行的命令。所有命令都只读。',
  didRun: '这次运行在各节点上执行过的命令、用时和结果。',
  notHere:
    '处理点击的机器上没有保存这次运行（尚未结束，或由其他工作进程执行）。证据随回答一起给出，即消息列中的附件包，可用 `netcheck replay` 读取。',
  outputNotHere: '这份输出没有保存在这里，消息列中的附件包里有。',
  noModal: 'Slack 没有显示窗口，请再按一次。',
  whatWasIt: '实际原因是什么？',
  pickRule: '选择原因',
  notARule: '不在其中',
  nothing: '没有问题',
  other: '其他（请说明）',
  rules: (from, to) => `${from} … ${to}`,
  inYourWords: '用你的话说明',
  wordsHint: '如何发现的，怎样修复的。它会和这次运行一起保存，作为 netcheck 的测试。',
  wordsNeeded: '请说明原因。',
  said: (headline) => `netcheck 的结论：${headline}`,
  kept: '谢谢。已和这次运行一起保存，作为 netcheck 必须通过的测试。',
  keptAlone: '谢谢，你的说明已保存。这台机器上没有保存该运行：请留存此消息列中的附件包。',
  notKept: '你的说明未能保存，原因见机器人的日志。',
};

export function buttonWordingIn(language: Language): ButtonWording {
  return language === 'zh' ? zh : en;
}
