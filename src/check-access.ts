import { type AccessPlan, type Attempt, deny, groupsIn, type Membership, visibleNodes } from './access.ts';
import { type AccessNames, denialText } from './access-words.ts';
import type { Grant } from './config.ts';
import type { ChatDirectory } from './engine/ports.ts';
import type { AccessAction } from './model/access-action.ts';
import type { InventoryNode } from './model/inventory.ts';
import type { Language } from './model/language.ts';

/** A refusal, in words for the person who tried. */
export interface Refusal {
  readonly message: string;
  readonly hint: string;
}

/** `access` of one configuration, for every part that acts: questions, buttons, alerts, schedules, workers. */
export interface AccessCheck {
  /** Undefined where it is allowed. Never rejects. */
  refuse(attempt: Attempt, language: Language): Promise<Refusal | undefined>;
  /** The nodes that somebody may know by name. */
  visible<Node extends Pick<InventoryNode, 'name' | 'labels'>>(
    who: Pick<Attempt, 'user' | 'channel'>,
    nodes: readonly Node[],
  ): Promise<readonly Node[]>;
}

export type { AccessAction, AccessPlan, Attempt };

/** @param directory who is in which group; absent where there is no Slack: nobody is in any */
export function createAccessCheck(
  access: readonly Grant[] | undefined,
  directory: ChatDirectory | undefined,
): AccessCheck {
  const groups = groupsIn(access);

  async function memberships(user: string): Promise<(group: string) => Membership> {
    // Alerts and schedules are in no group.
    if (directory === undefined || !/^[UW][A-Z0-9]+$/u.test(user)) return () => 'no';
    const known = new Map(
      await Promise.all(groups.map(async (one) => [one, await directory.isIn(one, user)] as const)),
    );
    return (group) => known.get(group) ?? 'unknown';
  }

  async function namesFor(grants: readonly Grant[]): Promise<AccessNames> {
    const channelIds = [...new Set(grants.flatMap(({ channels }) => channels ?? []))];
    const groupIds = [...new Set(grants.flatMap(({ groups }) => groups ?? []))];
    const [channels, handles] = await Promise.all([
      Promise.all(channelIds.map(async (id) => [id, await directory?.channelName(id)] as const)),
      Promise.all(groupIds.map(async (id) => [id, await directory?.groupHandle(id)] as const)),
    ]);
    const [byChannel, byGroup] = [new Map(channels), new Map(handles)];
    return { channel: (id) => byChannel.get(id), group: (id) => byGroup.get(id) };
  }

  return {
    async refuse(attempt, language) {
      const denial = deny(access, attempt, await memberships(attempt.user));
      if (denial === undefined) return undefined;
      return denialText(denial, await namesFor(denial.grants.map(({ grant }) => grant)), language);
    },
    async visible(who, nodes) {
      return access === undefined ? nodes : visibleNodes(access, who, nodes, await memberships(who.user));
    },
  };
}
