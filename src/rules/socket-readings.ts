import type { Socket } from '../model/facts.ts';

/** Sockets of one reading each, in order: the fact holds those before and after the window one after the other. */
export function socketReadings(sockets: readonly Socket[]): readonly (readonly Socket[])[] {
  const readings = new Map<string, Socket[]>();
  for (const socket of sockets) {
    const reading = readings.get(socket.at.evidence);
    if (reading === undefined) readings.set(socket.at.evidence, [socket]);
    else reading.push(socket);
  }
  return [...readings.values()];
}

const keyOf = ({ local, peer }: Socket): string => `${local.address} ${local.port} ${peer.address} ${peer.port}`;

/** Sockets of the last reading that `concerns` picks and that it had picked in the first one too: it lasted. */
export function lastingSockets(
  sockets: readonly Socket[],
  concerns: (socket: Socket) => boolean,
): { readonly before: number; readonly after: number; readonly lasting: readonly Socket[] } {
  const readings = socketReadings(sockets);
  const first = (readings[0] ?? []).filter(concerns);
  const last = readings.length < 2 ? [] : (readings.at(-1) ?? []).filter(concerns);
  const known = new Set(first.map(keyOf));
  return { before: first.length, after: last.length, lasting: last.filter((socket) => known.has(keyOf(socket))) };
}
