import type { Language } from '../../model/language.ts';

/** What the buttons of a change say. */
export interface ChangeWording {
  readonly apply: string;
  readonly approve: string;
  readonly withdraw: string;
  readonly proposed: string;
  readonly needsSecond: (asker: string) => string;
  readonly whatHappens: string;
  readonly approvedBy: (who: string) => string;
  readonly withdrawnBy: (who: string) => string;
  readonly alreadyProposed: string;
  readonly alreadyDecided: string;
  readonly expired: string;
  readonly notHere: string;
  readonly nothingToApply: string;
}

const en: ChangeWording = {
  apply: 'Try the remedy…',
  approve: 'Approve',
  withdraw: 'Withdraw',
  proposed: 'Proposed change',
  needsSecond: (asker) => `${asker} asks for it. Somebody else must approve it within 15 minutes.`,
  whatHappens:
    'Then netcheck asks again whether the trouble is still there, arms a timer on the node that puts the change back, makes the change, asks once more, and keeps it only where the trouble is gone. It does not survive a reboot.',
  approvedBy: (who) => `Approved by ${who}`,
  withdrawnBy: (who) => `Withdrawn by ${who}`,
  alreadyProposed: 'A change is already proposed in this thread. It stands for 15 minutes.',
  alreadyDecided: 'This was decided already.',
  expired: 'This proposal has expired. Press "Try the remedy" of the answer again.',
  notHere:
    'This run is not saved on the machine that got your click, so what it offers is not known here. Press Re-check and use the button of the new answer.',
  nothingToApply: 'Nothing in this answer is a single change that can be taken back.',
};

const zh: ChangeWording = {
  apply: '试行处置…',
  approve: '批准',
  withdraw: '撤回',
  proposed: '提议的改动',
  needsSecond: (asker) => `由 ${asker} 提出，须由另一个人在 15 分钟内批准。`,
  whatHappens:
    '批准后 netcheck 会先确认问题仍在，在节点上启动一个会自动撤销改动的定时器，然后改动，再检查一次；只有问题消失才保留。重启后失效。',
  approvedBy: (who) => `${who} 已批准`,
  withdrawnBy: (who) => `${who} 已撤回`,
  alreadyProposed: '这个消息列里已有一个提议，15 分钟内有效。',
  alreadyDecided: '已经有人决定过了。',
  expired: '提议已过期。请再按一次回答里的“试行处置”。',
  notHere: '处理点击的机器上没有保存这次运行，因此不知道它提供哪些改动。请按“重新检查”，再用新回答里的按钮。',
  nothingToApply: '这个回答里没有可以单独撤销的改动。',
};

export function changeWording(language: Language): ChangeWording {
  return language === 'zh' ? zh : en;
}
