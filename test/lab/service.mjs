// A server, or a client that makes traffic, for a practice node. Plain JavaScript: it runs inside a node, where the
// repository may not be visible.
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import { hostname } from 'node:os';

const {
  address,
  port,
  backlog = 511,
  behaviour = 'http',
  bytes = 100,
  everyMs = 1000,
  lastsMs = 2000,
  connections = 1,
} = JSON.parse(process.argv[2] ?? '{}');
const ready = () => process.stdout.write(`listening ${process.pid}\n`);
const listen = (server) => server.listen({ host: address, port, backlog }, ready);
const ignore = () => undefined;

const servers = {
  /** The node's name as the answer, and the server closes first (the side that closes first is the one that remembers). */
  http: () =>
    createHttpServer((_request, response) => {
      response.setHeader('Connection', 'close');
      response.end(`hello from ${hostname()}\n`);
    }),
  /** One byte for each 100 bytes that have come. */
  answers: () =>
    createServer((socket) => {
      let received = 0;
      socket.on('error', ignore).on('data', (chunk) => {
        const before = Math.floor(received / 100);
        received += chunk.length;
        const due = Math.floor(received / 100) - before;
        if (due > 0) socket.write(Buffer.alloc(due));
      });
    }),
  /** Closes while there is something that it has not read. */
  'hangs-up': () =>
    createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', ignore);
      setTimeout(() => socket.destroy(), 100);
    }),
};

/** One connection; calls `again` once it has ended, whatever ended it. */
function open(use, again) {
  const socket = connect({ host: address, port });
  const timers = [setTimeout(() => socket.destroy(), lastsMs)];
  socket.on('error', ignore).on('connect', () => use(socket, timers));
  socket.on('close', () => {
    for (const timer of timers) clearInterval(timer);
    setTimeout(() => again(), Math.min(everyMs, 200));
  });
}

const clients = {
  /** Sends `bytes` at once, then small change, and keeps the connection for `lastsMs`. */
  uploads: (socket) => {
    socket.resume();
    socket.write(Buffer.alloc(4));
    setTimeout(() => socket.write(Buffer.alloc(bytes)), 20);
  },
  /** Sends `bytes` every `everyMs`. */
  asks: (socket, timers) => {
    socket.resume();
    socket.write(Buffer.alloc(bytes));
    timers.push(setInterval(() => socket.write(Buffer.alloc(bytes)), everyMs));
  },
  /** Each request in two small writes, without TCP_NODELAY; the next one once it is answered. */
  'asks-in-two-writes': (socket) => {
    const ask = () => {
      socket.write(Buffer.alloc(60));
      setImmediate(() => socket.write(Buffer.alloc(40)));
    };
    socket.on('data', ask);
    ask();
  },
};

if (behaviour in servers) listen(servers[behaviour]());
else {
  const forEver = () => open(clients[behaviour], forEver);
  // one after the other, so that at any time one of them is about to begin
  for (let i = 0; i < connections; i++) setTimeout(forEver, (i * lastsMs) / connections);
  ready();
}
