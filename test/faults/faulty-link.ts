import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP relay to a port of 127.0.0.1 that misbehaves as networks do. */
export interface FaultyLink {
  readonly port: number;
  /** Connections that are open now. */
  open(): number;
  /** Ends every connection with a RST on both sides. */
  cut(): void;
  /** Nothing passes and nobody is told, until `release`: then everything that waited arrives. New connections wait too. */
  hold(): void;
  /** So few bytes pass per second and direction, until `release`. */
  slow(bytesPerSecond: number): void;
  /** New connections are closed at once, until `release`. */
  refuse(): void;
  release(): void;
  stop(): Promise<void>;
}

type Mode = 'open' | 'held' | 'slow' | 'refusing';

/** @param onConnection called for each connection that comes in */
export async function startFaultyLink(toPort: number, onConnection: () => void): Promise<FaultyLink> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let mode: Mode = 'open';
  let drip: NodeJS.Timeout | undefined;
  /** What a socket that ended meanwhile does to the other one, once the link lets it through. */
  let late: (() => void)[] = [];
  const whenOpen = (work: () => void): void => {
    if (mode === 'held' || mode === 'slow') late.push(work);
    else work();
  };
  const relay = (from: Socket, to: Socket): void => {
    if (mode === 'held' || mode === 'slow') return;
    for (let chunk = readFrom(from); chunk !== null; chunk = readFrom(from)) to.write(chunk);
  };
  const eachWay = (work: (from: Socket, to: Socket) => void): void => {
    for (const [near, far] of pairs) {
      work(near, far);
      work(far, near);
    }
  };
  const listener = createServer({ allowHalfOpen: false }, (near) => {
    near.on('error', () => undefined);
    onConnection();
    if (mode === 'refusing') {
      near.destroy();
      return;
    }
    const far = connect(toPort, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true);
      from.on('error', () => undefined);
      from.on('readable', () => relay(from, to));
      from.on('end', () => whenOpen(() => to.end()));
      from.on('close', () =>
        whenOpen(() => {
          to.destroy();
          pairs.delete(pair);
        }),
      );
    }
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const release = (): void => {
    clearInterval(drip);
    mode = 'open';
    eachWay(relay);
    const ended = late;
    late = [];
    for (const work of ended) work();
  };
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    open: () => pairs.size,
    cut() {
      for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
    },
    hold() {
      mode = 'held';
    },
    slow(bytesPerSecond) {
      mode = 'slow';
      clearInterval(drip);
      drip = setInterval(
        () =>
          eachWay((from, to) => {
            const few = readFrom(from, Math.min(bytesPerSecond, from.readableLength));
            if (few !== null) to.write(few);
          }),
        1000,
      );
    },
    refuse() {
      mode = 'refusing';
    },
    release,
    async stop() {
      release();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

function readFrom(socket: Socket, bytes?: number): Buffer | null {
  if (bytes === 0) return null;
  const chunk: unknown = socket.read(bytes);
  return Buffer.isBuffer(chunk) ? chunk : null;
}
