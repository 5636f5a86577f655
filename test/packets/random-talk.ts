import { type CaptureBuilder, capture, type SegmentOptions } from './build-capture.ts';

interface Side {
  next: number;
  ack: number;
  window: number;
}
interface Flow {
  readonly client: string;
  readonly server: string;
  readonly clientSide: Side;
  readonly serverSide: Side;
  readonly sent: SegmentOptions[];
  established: boolean;
}

/**
 * TCP as it goes wrong: many connections at once with loss, repetition, reordering, shut windows, keep-alives, resets,
 * reused ports, numbers that wrap and times on both sides of every threshold. The same seed gives the same capture.
 */
export function randomTalk(seed: number, steps: number): CaptureBuilder {
  let state = seed >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const pick = <T>(list: readonly [T, ...T[]]): T => list[Math.floor(random() * list.length)] ?? list[0];
  const builder = capture();
  const side = (): Side => ({ next: 0, ack: 0, window: 1000 });
  const flows: Flow[] = Array.from({ length: 40 }, (_, index) => ({
    client: `10.0.0.1:${40_000 + index}`,
    server: '10.0.0.2:80',
    clientSide: side(),
    serverSide: side(),
    sent: [],
    established: false,
  }));
  const first = (): number => pick([0, 1, 0xffff_f000, 0x7fff_ff00, Math.floor(random() * 2 ** 32)]);

  for (let step = 0; step < steps; step++) {
    const flow = flows[Math.floor(random() * flows.length)];
    if (flow === undefined) continue;
    const { client, server, clientSide, serverSide, sent } = flow;
    const afterMs = pick([0.01, 0.5, 1, 2.9, 3.1, 10, 19, 25, 250, 1000]);
    const byClient = random() < 0.5;
    const own = byClient ? clientSide : serverSide;
    const peer = byClient ? serverSide : clientSide;
    const ends = byClient ? { from: client, to: server } : { from: server, to: client };
    const send = (flags: string, options: Partial<SegmentOptions> = {}): void => {
      const segment = { ...ends, afterMs, window: own.window, seq: own.next >>> 0, ack: own.ack >>> 0, ...options };
      sent.push(segment);
      builder.tcp({ ...segment, flags });
    };
    const choice = random();
    if ((!flow.established && choice < 0.8) || choice < 0.02) {
      if (random() < 0.6 || sent.length === 0) {
        clientSide.next = first();
        serverSide.next = first();
        clientSide.ack = 0;
      }
      const isn = clientSide.next >>> 0;
      const there = { from: client, to: server };
      const back = { from: server, to: client };
      const scale = random() < 0.7 ? { windowScale: pick([0, 2, 7]) } : {};
      builder.tcp({ ...there, ...scale, flags: 'S', seq: isn, ack: pick([0, 0, 0, 5]), afterMs });
      if (random() < 0.3) builder.tcp({ ...there, ...scale, flags: 'S', seq: isn, ack: 0, afterMs: pick([1, 1000]) });
      if (random() < 0.85) {
        const answer = { ...back, ...(random() < 0.8 ? scale : {}), flags: 'SA', ack: (isn + 1) >>> 0 };
        builder.tcp({ ...answer, seq: serverSide.next >>> 0, afterMs: pick([0.1, 20]) });
        if (random() < 0.2) builder.tcp({ ...answer, seq: (serverSide.next + pick([0, 0, 77])) >>> 0, afterMs: 1000 });
        clientSide.next = (isn + 1) >>> 0;
        serverSide.ack = clientSide.next;
        serverSide.next = (serverSide.next + 1) >>> 0;
        clientSide.ack = serverSide.next;
        flow.established = true;
        if (random() < 0.8) {
          const { next, ack, window } = clientSide;
          builder.tcp({ ...there, flags: 'A', seq: next, ack, window, afterMs: pick([0.1, 5]) });
        }
      } else if (random() < 0.5) {
        builder.tcp({ ...back, flags: 'RA', seq: pick([0, isn]), ack: (isn + 1) >>> 0, window: 0, afterMs: 1 });
      }
    } else if (choice < 0.4) {
      const payload = pick([1, 1, 10, 100, 1448]);
      send('PA', { payload });
      own.next = (own.next + payload) >>> 0;
      if (random() < 0.8) peer.ack = own.next;
    } else if (choice < 0.44) own.next = (own.next + pick([1, 1448])) >>> 0;
    else if (choice < 0.6) send('A');
    else if (choice < 0.63) for (let times = 0; times < 3; times++) send('A');
    else if (choice < 0.74) {
      const again = sent.filter((segment) => segment.payload !== undefined);
      const segment = again[Math.floor(random() * again.length)];
      if (segment !== undefined) builder.tcp({ ...segment, afterMs, flags: 'PA' });
    } else if (choice < 0.78) send('A', { seq: (own.next - 1) >>> 0, payload: pick([0, 1]) });
    else if (choice < 0.83) {
      own.window = pick([0, 0, 1, 100, 1000, 2000, 1448]);
      send('A');
    } else if (choice < 0.87) send('A', { ack: (own.ack + pick([1, 100, -50])) >>> 0 });
    else if (choice < 0.9) send('PA', { seq: (own.next - pick([1, 5, 100])) >>> 0, payload: pick([1, 50, 300]) });
    else if (choice < 0.92) {
      send('FA');
      own.next = (own.next + 1) >>> 0;
      if (random() < 0.7) peer.ack = own.next;
    } else if (choice < 0.93) send(pick(['R', 'RA']), { ack: pick([0, own.ack >>> 0]), window: 0 });
    else if (choice < 0.96) send('PA', { payload: Math.max(1, Math.min(1448, peer.window)) });
    else {
      own.ack = peer.next;
      send('A');
    }
  }
  return builder;
}
