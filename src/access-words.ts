import type { Denial } from './access.ts';
import type { Grant } from './config.ts';
import type { Language } from './model/language.ts';

/** Names for what grants hold as ids. Undefined: not known, or not for everybody (a private channel). */
export interface AccessNames {
  channel(id: string): string | undefined;
  group(handleOrId: string): string | undefined;
}

/** At most so many grants are told of. */
const maxTold = 3;

/**
 * What a refused person reads: what is in the way, and who may do it where. No node is named: a person who may not ask
 * about nodes may not know them either.
 */
export function denialText(
  denial: Denial,
  names: AccessNames,
  language: Language,
): { readonly message: string; readonly hint: string } {
  const words = wording[language];
  if (denial.because === 'groups')
    return {
      message: words.unsure(denial.groups.map((one) => handleOf(one, names)).join(words.comma)),
      hint: words.unsureHint,
    };
  const told = [
    ...new Set(denial.grants.flatMap(({ grant, isTheirs }) => tellOf(grant, isTheirs, names, language) ?? [])),
  ];
  return {
    message: words.because[denial.because],
    hint: told.length === 0 ? words.nobody : told.slice(0, maxTold).join(' '),
  };
}

/** "@sre-oncall in #net may; ask there." Undefined where it would say nothing that helps. */
function tellOf(grant: Grant, isTheirs: boolean, names: AccessNames, language: Language): string | undefined {
  const words = wording[language];
  const rooms = (grant.channels ?? []).flatMap((id) => names.channel(id) ?? []).map((name) => `#${name}`);
  const hidden = (grant.channels ?? []).length > rooms.length;
  const where = [...rooms.slice(0, maxTold), ...(hidden ? [words.anotherChannel] : [])].join(words.or);
  if (isTheirs) return where === '' ? undefined : words.youMay(where);
  const who = [
    ...(grant.groups ?? []).slice(0, maxTold).map((one) => handleOf(one, names)),
    ...(grant.users !== undefined && grant.users.some(isPerson) ? [words.somePeople] : []),
  ].join(words.or);
  if (who === '') return undefined;
  return words.theyMay(who, where);
}

function handleOf(group: string, names: AccessNames): string {
  return `@${(names.group(group) ?? group).replace(/^@/u, '')}`;
}

/** Not an alert, not a schedule. */
function isPerson(user: string): boolean {
  return /^[UW*]/u.test(user);
}

const wording = {
  en: {
    because: {
      place: 'You may not use netcheck here for this.',
      action: 'You may use netcheck here, but not for this.',
      playbooks: 'You may use netcheck here, but not this playbook.',
      nodes: 'You may use netcheck here, but not on these nodes.',
    },
    nobody: 'Nobody else may either, as it is set up; ask the people who run netcheck.',
    youMay: (where: string) => `You may in ${where}; ask there.`,
    theyMay: (who: string, where: string) =>
      where === '' ? `${who} may; ask them.` : `${who} in ${where} may; ask there.`,
    somePeople: 'some people by name',
    anotherChannel: 'a private channel',
    or: ' or ',
    comma: ', ',
    unsure: (groups: string) => `Whether you are in ${groups} could not be found out, so nothing was done.`,
    unsureHint: 'Slack did not say who is in it. Try again in a minute; netcheck doctor shows what is wrong.',
  },
  zh: {
    because: {
      place: '你不能在这里用 netcheck 做这件事。',
      action: '你可以在这里使用 netcheck，但不能做这件事。',
      playbooks: '你可以在这里使用 netcheck，但不能使用这个 playbook。',
      nodes: '你可以在这里使用 netcheck，但不能用于这些节点。',
    },
    nobody: '按目前的设置，其他人也不能；请联系负责 netcheck 的人。',
    youMay: (where: string) => `你可以在 ${where} 中使用，请到那里提问。`,
    theyMay: (who: string, where: string) =>
      where === '' ? `${who} 可以，请找他们。` : `${who} 在 ${where} 中可以，请到那里提问。`,
    somePeople: '个别指定的人',
    anotherChannel: '一个私有频道',
    or: ' 或 ',
    comma: '、',
    unsure: (groups: string) => `无法确认你是否属于 ${groups}，因此什么都没有做。`,
    unsureHint: 'Slack 没有给出成员名单。请一分钟后再试；netcheck doctor 会显示哪里有问题。',
  },
} as const;
