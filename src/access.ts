import type { Grant } from './config.ts';
import { type AccessAction, namedActions } from './model/access-action.ts';
import type { InventoryNode } from './model/inventory.ts';
import { nodeOfPlace } from './model/netns.ts';
import type { Plan } from './model/plan.ts';

/** Whether somebody is in a user group. `unknown`: Slack did not say. */
export type Membership = 'yes' | 'no' | 'unknown';

/** Who wants to do what, where. */
export interface Attempt {
  /** Slack user id; `alert` for alerts, `schedule:NAME` for schedules. Neither looks like a Slack id. */
  readonly user: string;
  /** Slack channel id. */
  readonly channel: string;
  readonly action: AccessAction;
  /** Absent where it is about no nodes, or they are not known yet. */
  readonly plan?: AccessPlan | undefined;
}

/** The part of a plan that `access` is about. */
export interface AccessPlan {
  readonly playbooks: Plan['playbooks'];
  readonly nodes: readonly { readonly node: Pick<InventoryNode, 'name' | 'labels'> }[];
}

/** Why not: what stands between the person and the deed, and which grants would let somebody. */
export interface Denial {
  readonly because: 'place' | 'action' | 'playbooks' | 'nodes' | 'groups';
  /** For `groups`: those that Slack did not tell about. */
  readonly groups: readonly string[];
  /** Grants that cover the deed for others or elsewhere, those of the person itself first. */
  readonly grants: readonly { readonly grant: Grant; readonly isTheirs: boolean }[];
}

/**
 * Whether this may be done. Without `access` everybody in the workspace may, but for what changes a node; with it one grant
 * must cover the person, the channel, the action, and, where there is a plan, its playbooks and every node.
 *
 * @param memberOf asked for the groups that grants name, as they are written there
 * @returns undefined where it is allowed
 */
export function deny(
  access: readonly Grant[] | undefined,
  attempt: Attempt,
  memberOf: (group: string) => Membership,
): Denial | undefined {
  if (access === undefined)
    return namedActions.includes(attempt.action) ? { because: 'action', groups: [], grants: [] } : undefined;
  const judged = access.map((grant) => ({
    grant,
    who: coversWho(grant, attempt.user, memberOf),
    place: covers(grant.channels, attempt.channel),
    deed: coversDeed(grant, attempt),
  }));
  if (judged.some(({ who, place, deed }) => who === 'yes' && place && deed.missing === undefined)) return undefined;
  const grants = judged
    .filter(({ who, place, deed }) => deed.missing === undefined && (who !== 'yes' || !place))
    .map(({ grant, who }) => ({ grant, isTheirs: who === 'yes' }))
    .sort((a, b) => Number(b.isTheirs) - Number(a.isTheirs));
  const unsure = judged.filter(({ who, place, deed }) => who === 'unknown' && place && deed.missing === undefined);
  if (unsure.length > 0)
    return {
      because: 'groups',
      groups: [...new Set(unsure.flatMap(({ grant }) => grant.groups ?? []))].filter(
        (one) => memberOf(one) === 'unknown',
      ),
      grants: [],
    };
  // The grant that comes nearest says what is in the way.
  const near = judged.flatMap(({ who, place, deed }) => (who === 'yes' && place && deed.missing ? [deed.missing] : []));
  const because = (['nodes', 'playbooks', 'action'] as const).find((one) => near.includes(one)) ?? 'place';
  return { because, groups: [], grants };
}

/** Node names that somebody may know: those that one of their grants covers, whatever the action. */
export function visibleNodes<Node extends Pick<InventoryNode, 'name' | 'labels'>>(
  access: readonly Grant[] | undefined,
  { user, channel }: Pick<Attempt, 'user' | 'channel'>,
  nodes: readonly Node[],
  memberOf: (group: string) => Membership,
): readonly Node[] {
  if (access === undefined) return nodes;
  const theirs = access.filter(
    (grant) => coversWho(grant, user, memberOf) === 'yes' && covers(grant.channels, channel),
  );
  return nodes.filter((node) => theirs.some((grant) => coversNode(grant, node)));
}

/** Groups that grants name, each once. */
export function groupsIn(access: readonly Grant[] | undefined): readonly string[] {
  return [...new Set((access ?? []).flatMap(({ groups }) => groups ?? []))];
}

function coversWho({ users, groups }: Grant, user: string, memberOf: (group: string) => Membership): Membership {
  if (users === undefined && groups === undefined) return 'yes';
  if (users !== undefined && covers(users, user)) return 'yes';
  const memberships = (groups ?? []).map(memberOf);
  return memberships.includes('yes') ? 'yes' : memberships.includes('unknown') ? 'unknown' : 'no';
}

/** What of the deed itself the grant does not cover; the first of action, playbooks, nodes. */
function coversDeed(
  grant: Grant,
  { action, plan }: Attempt,
): { readonly missing: 'action' | 'playbooks' | 'nodes' | undefined } {
  const named = namedActions.includes(action);
  if (named ? grant.actions?.includes(action) !== true : !covers(grant.actions, action)) return { missing: 'action' };
  if (plan === undefined) return { missing: undefined };
  if (!plan.playbooks.every((playbook) => covers(grant.playbooks, playbook))) return { missing: 'playbooks' };
  return { missing: plan.nodes.every(({ node }) => coversNode(grant, node)) ? undefined : 'nodes' };
}

function coversNode({ nodes, labels }: Grant, node: Pick<InventoryNode, 'name' | 'labels'>): boolean {
  return (
    covers(nodes, nodeOfPlace(node.name)) &&
    // Through `hasOwn`: a label called "constructor" is a label that the node lacks.
    Object.entries(labels ?? {}).every(
      ([label, values]) => Object.hasOwn(node.labels, label) && covers(values, node.labels[label] ?? ''),
    )
  );
}

/** No list covers everything; `*` at the end of a word stands for any rest. */
function covers(list: readonly string[] | undefined, value: string): boolean {
  return (
    list === undefined ||
    list.some((pattern) => (pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : pattern === value))
  );
}
