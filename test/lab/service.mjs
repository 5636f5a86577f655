// An HTTP server for a practice node: the node's name as the answer, and the server closes first (the side that closes
// first is the one that remembers). Plain JavaScript: it runs inside a node, where the repository may not be visible.
import { createServer } from 'node:http';
import { hostname } from 'node:os';

const { address, port, backlog = 511 } = JSON.parse(process.argv[2] ?? '{}');
const server = createServer((_request, response) => {
  response.setHeader('Connection', 'close');
  response.end(`hello from ${hostname()}\n`);
});
server.listen({ host: address, port, backlog }, () => process.stdout.write(`listening ${process.pid}\n`));
