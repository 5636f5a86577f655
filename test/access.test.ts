import { describe, expect, it } from 'vitest';
import { type Attempt, deny, type Membership, visibleNodes } from '../src/access.ts';
import { denialText } from '../src/access-words.ts';
import { parseConfig } from '../src/config.ts';

const grants = (yaml: string) => parseConfig(`access:\n${yaml}`, 'netcheck.yaml').access;
const node = (name: string, labels: Record<string, string> = {}) => ({ node: { name, labels } });
const plan = (nodes: readonly ReturnType<typeof node>[], playbooks = ['port-check']) => ({ nodes, playbooks });
const attempt = (more: Partial<Attempt> = {}): Attempt => ({
  user: 'U0ANNA',
  channel: 'C0NET',
  action: 'ask',
  plan: plan([node('node-50', { rack: 'r1' })]),
  ...more,
});
const members =
  (groups: Readonly<Record<string, Membership>>) =>
  (group: string): Membership =>
    groups[group] ?? 'no';

const inSre = members({ '@sre': 'yes' });

describe('access', () => {
  it.each<[string, string | undefined, Partial<Attempt>, string | undefined]>([
    ['nobody is refused where there is no access', undefined, {}, undefined],
    ['everybody is refused where it is empty', '', {}, 'place'],
    ['a grant without a word covers everything', '  - {}', {}, undefined],
    ['a change of a node, where there is no access', undefined, { action: 'apply' }, 'action'],
    ['a change of a node, by a grant without a word', '  - {}', { action: 'approve' }, 'action'],
    ['a change of a node, by a grant that names it', '  - { actions: [ask, apply] }', { action: 'apply' }, undefined],
    ['approving it, by a grant for asking for it', '  - { actions: [ask, apply] }', { action: 'approve' }, 'action'],
    ['a user by name', '  - users: [U0ANNA]', {}, undefined],
    ['another user', '  - users: [U0BEN]', {}, 'place'],
    ['a member of the group', '  - groups: ["@sre"]', {}, undefined],
    ['not a member', '  - groups: ["@db"]', {}, 'place'],
    ['either by name or by group', '  - { users: [U0BEN], groups: ["@sre"] }', {}, undefined],
    ['the group, in another channel', '  - { groups: ["@sre"], channels: [C0OPS] }', {}, 'place'],
    ['channels by their beginning', '  - channels: [C0N*]', {}, undefined],
    ['node names by their beginning', '  - nodes: [node-*]', {}, undefined],
    ['another node', '  - nodes: [web-*]', {}, 'nodes'],
    [
      'one of two nodes is another',
      '  - nodes: [node-50]',
      { plan: plan([node('node-50'), node('node-12')]) },
      'nodes',
    ],
    ['a namespace of a node is that node', '  - nodes: [node-50]', { plan: plan([node('node-50@4321')]) }, undefined],
    ['a label', '  - labels: { rack: r1 }', {}, undefined],
    ['one of several values', '  - labels: { rack: [r0, r1] }', {}, undefined],
    ['another value', '  - labels: { rack: r2 }', {}, 'nodes'],
    ['a label that the node lacks', '  - labels: { zone: a }', {}, 'nodes'],
    ['a label that every object seems to have', '  - labels: { constructor: "*" }', {}, 'nodes'],
    ['a playbook', '  - playbooks: [port-check]', {}, undefined],
    [
      'one of two playbooks',
      '  - playbooks: [port-check]',
      { plan: plan([node('node-50')], ['port-check', 'dns']) },
      'playbooks',
    ],
    ['an action', '  - actions: [ask, cancel]', { action: 'cancel' }, undefined],
    ['another action', '  - actions: [ask]', { action: 'recheck' }, 'action'],
    [
      'no plan: nodes and playbooks are judged later',
      '  - { nodes: [x], playbooks: [y] }',
      { plan: undefined },
      undefined,
    ],
    [
      'two halves do not make a grant',
      '  - { users: [U0ANNA], nodes: [x] }\n  - { users: [U0BEN], nodes: [node-50] }',
      {},
      'nodes',
    ],
    ['an alert', '  - users: [alert]', { user: 'alert' }, undefined],
    ['a schedule', '  - users: ["schedule:*"]', { user: 'schedule:nightly' }, undefined],
    ['a schedule is not a person', '  - users: ["U*"]', { user: 'schedule:U0ANNA' }, 'place'],
  ])('%s', (_what, yaml, more, expected) => {
    const access = yaml === undefined ? undefined : yaml === '' ? [] : grants(yaml);
    expect(deny(access, attempt(more), inSre)?.because).toBe(expected);
  });

  it('a group that Slack does not tell about is a refusal of its own, unless another grant covers', () => {
    const unsure = members({ '@sre': 'unknown' });
    const denial = deny(grants('  - groups: ["@sre", "@db"]'), attempt(), unsure);
    expect(denial).toEqual({ because: 'groups', groups: ['@sre'], grants: [] });
    expect(deny(grants('  - groups: ["@sre"]\n  - users: [U0ANNA]'), attempt(), unsure)).toBeUndefined();
    // Being in it would not help here.
    expect(deny(grants('  - { groups: ["@sre"], channels: [C0OPS] }'), attempt(), unsure)?.because).toBe('place');
  });

  it('shows somebody the nodes of their own grants only', () => {
    const nodes = [node('node-50', { rack: 'r1' }), node('web-1')].map((one) => one.node);
    const access = grants('  - { users: [U0ANNA], nodes: [web-*] }\n  - { users: [U0BEN] }');
    const seen = (user: string) =>
      visibleNodes(access, { user, channel: 'C0NET' }, nodes, inSre).map(({ name }) => name);
    expect([seen('U0ANNA'), seen('U0BEN'), seen('U0EVE')]).toEqual([['web-1'], ['node-50', 'web-1'], []]);
    expect(visibleNodes(undefined, { user: 'U0EVE', channel: 'C0NET' }, nodes, inSre)).toHaveLength(2);
  });
});

describe('a refusal says who may, and names no node', () => {
  const names = { channel: (id: string) => ({ C0OPS: 'ops', C0NET: 'net' })[id], group: () => undefined };
  const told = (yaml: string, language: 'en' | 'zh', more: Partial<Attempt> = {}) => {
    const denial = deny(grants(yaml), attempt(more), inSre);
    if (denial === undefined) throw new Error('it was allowed');
    const { message, hint } = denialText(denial, names, language);
    expect(message + hint).not.toContain('node-50');
    return `${message} ${hint}`;
  };
  it.each<[string, 'en' | 'zh', string]>([
    [
      '  - { groups: ["@db"], channels: [C0NET] }',
      'en',
      'You may not use netcheck here for this. @db in #net may; ask there.',
    ],
    [
      '  - { groups: ["@sre"], channels: [C0OPS] }',
      'en',
      'You may not use netcheck here for this. You may in #ops; ask there.',
    ],
    [
      '  - { groups: [db], channels: [C0SECRET] }',
      'en',
      'You may not use netcheck here for this. @db in a private channel may; ask there.',
    ],
    ['  - users: [U0BEN]', 'en', 'You may not use netcheck here for this. some people by name may; ask them.'],
    [
      '  - { groups: ["@sre"], nodes: [web-1] }',
      'en',
      'You may use netcheck here, but not on these nodes. Nobody else may either, as it is set up; ask the people who run netcheck.',
    ],
    [
      '  - { groups: ["@sre"], playbooks: [dns] }\n  - groups: ["@db"]',
      'en',
      'You may use netcheck here, but not this playbook. @db may; ask them.',
    ],
    [
      '  - users: [alert]',
      'en',
      'You may not use netcheck here for this. Nobody else may either, as it is set up; ask the people who run netcheck.',
    ],
    [
      '  - { groups: ["@db"], channels: [C0NET] }',
      'zh',
      '你不能在这里用 netcheck 做这件事。 @db 在 #net 中可以，请到那里提问。',
    ],
    [
      '  - { groups: ["@sre"], channels: [C0OPS] }',
      'zh',
      '你不能在这里用 netcheck 做这件事。 你可以在 #ops 中使用，请到那里提问。',
    ],
  ])('%s (%s)', (yaml, language, expected) => {
    expect(told(yaml, language)).toBe(expected);
  });

  it('tells where somebody themselves may before where others may', () => {
    const text = told('  - groups: ["@db"]\n  - { groups: ["@sre"], channels: [C0OPS] }', 'en');
    expect(text.indexOf('You may in #ops')).toBeLessThan(text.indexOf('@db may'));
  });
});

describe('access in netcheck.yaml', () => {
  it.each([
    [
      'an action that there is not',
      '  - actions: [reboot]',
      /^netcheck\.yaml:2:15: access\.0\.actions\.0: allowed are "ask"/,
    ],
    [
      'a channel by its name',
      '  - channels: ["#net"]',
      /^netcheck\.yaml:2:16: access\.0\.channels\.0: a channel is written as its id/,
    ],
    ['a group with a blank', '  - groups: ["sre team"]', /a user group is written @handle/],
    ['an unknown key', '  - group: [sre]', /there is no such key, allowed here: users, groups/],
  ])('%s', (_what, yaml, expected) => {
    expect(() => grants(yaml)).toThrow(expected);
  });
});
