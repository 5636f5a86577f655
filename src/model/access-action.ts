/**
 * What a person may be allowed to do. `look`: read what earlier runs found (history, App Home, lists of nodes).
 * A closed set: `access` in netcheck.yaml names these.
 */
export const accessActions = [
  'ask',
  'audit',
  'recheck',
  'cancel',
  'explain',
  'evidence',
  'wrongVerdict',
  'look',
  'apply',
  'approve',
] as const;
export type AccessAction = (typeof accessActions)[number];

/** What a grant must name word by word: asking for a change of a node, and approving it. */
export const namedActions: readonly AccessAction[] = ['apply', 'approve'];
