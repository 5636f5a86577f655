import type { ConnectionEvent, ConnectionTable } from './connection-table.ts';

/** What is shown where not everything can be, in the order in which leftover room is given away. */
const events: readonly ConnectionEvent[] = ['notOpened', 'refused', 'reset', 'stalled', 'repeated', 'waited'];

/** Of the connections that nothing happened to, so many are enough to show what they look like. */
const mostQuiet = 100;

/**
 * Which connections to make facts of when there are more than `limit`: every kind of trouble gets its share (a flood of
 * unanswered SYNs does not hide the one connection that stalled), the most retransmissions first, then the earliest;
 * of those that nothing happened to, a few stand for all.
 * @param slots all connections, in order of their numbers
 * @returns the chosen slots in order of their numbers, and how many were left out
 */
export function chooseConnections(
  table: ConnectionTable,
  slots: Uint32Array,
  limit: number,
): { readonly chosen: Iterable<number>; readonly uneventful: number; readonly eventful: number } {
  if (slots.length <= limit) return { chosen: slots, uneventful: 0, eventful: 0 };
  const byEvent = new Map<ConnectionEvent, number[]>(events.map((event) => [event, []]));
  const none: number[] = [];
  let quiet = 0;
  for (let index = 0; index < slots.length; index++) {
    const event = table.event(slots[index] ?? 0);
    if (event !== 'none') byEvent.get(event)?.push(index);
    else if (quiet++ < mostQuiet) none.push(index);
  }
  const troubles = [...byEvent.values()];
  const shares = fairShares(
    troubles.map((indexes) => indexes.length),
    limit,
  );
  const chosen: number[] = [];
  let eventful = 0;
  let unlisted = 0;
  for (const [kind, indexes] of troubles.entries()) {
    const share = shares[kind] ?? 0;
    if (events[kind] === 'waited') unlisted += indexes.length - share;
    else eventful += indexes.length - share;
    if (share < indexes.length) {
      const retransmitted = (index: number): number => table.retransmitted(slots[index] ?? 0);
      indexes.sort((one, other) => retransmitted(other) - retransmitted(one) || one - other);
    }
    for (const index of indexes.slice(0, share)) chosen.push(index);
  }
  const room = Math.min(mostQuiet, limit - chosen.length);
  for (const index of none.slice(0, room)) chosen.push(index);
  chosen.sort((one, other) => one - other);
  return {
    chosen: chosen.map((index) => slots[index] ?? 0),
    uneventful: unlisted + Math.max(0, quiet - room),
    eventful,
  };
}

/** Divides `limit` so that nobody gets more than asked for and what some leave goes to the others. */
function fairShares(wanted: readonly number[], limit: number): readonly number[] {
  const shares = wanted.map(() => 0);
  let left = limit;
  let open = wanted.map((_, index) => index).filter((index) => (wanted[index] ?? 0) > 0);
  while (left > 0 && open.length > 0) {
    const each = Math.max(1, Math.floor(left / open.length));
    for (const index of open) {
      const more = Math.min(each, left, (wanted[index] ?? 0) - (shares[index] ?? 0));
      shares[index] = (shares[index] ?? 0) + more;
      left -= more;
    }
    open = open.filter((index) => (shares[index] ?? 0) < (wanted[index] ?? 0));
  }
  return shares;
}
