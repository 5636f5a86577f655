import type { Grant } from './config.ts';
import { nodeOfPlace } from './model/netns.ts';
import type { Plan } from './model/plan.ts';

/**
 * Whether somebody may run this plan. Without `access` everybody in the workspace may; with it one grant must cover
 * the user, the channel, the playbook and every node.
 *
 * @returns undefined where it is allowed, else what to tell the person
 */
export function allows(
  access: readonly Grant[] | undefined,
  {
    user,
    channel,
    plan,
  }: { readonly user: string; readonly channel: string; readonly plan: Pick<Plan, 'nodes' | 'playbooks'> },
): { readonly message: string; readonly hint: string } | undefined {
  if (access === undefined) return undefined;
  const covers = (list: readonly string[] | undefined, value: string): boolean =>
    list === undefined ||
    list.some((pattern) => (pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : pattern === value));
  const granted = access.some(
    (grant) =>
      covers(grant.users, user) &&
      covers(grant.channels, channel) &&
      plan.playbooks.every((playbook) => covers(grant.playbooks, playbook)) &&
      plan.nodes.every(({ node }) => covers(grant.nodes, nodeOfPlace(node.name))),
  );
  if (granted) return undefined;
  return {
    message: `You may not run ${plan.playbooks.join(', ')} on ${plan.nodes.map(({ node }) => node.name).join(', ')} from this channel.`,
    hint: 'The "access" part of netcheck.yaml says who may; ask the people who run netcheck.',
  };
}
