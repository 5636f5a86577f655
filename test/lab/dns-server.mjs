// A name server for a practice node (RFC 1035, UDP and TCP), and a client that asks it with a large buffer (EDNS).
// Plain JavaScript: it runs inside a node, where the repository may not be visible.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const types = { 1: 'A', 28: 'AAAA' };
const rcodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };
/** Payload that a client takes without EDNS, and that most networks carry whole. */
const plainBytes = 512;

/** Name, type, and where the question ends. Questions are not compressed. */
function readQuestion(message) {
  const labels = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  // the OPT record (RFC 6891 6.1.2) has the buffer where others have their class
  const hasOpt = message.readUInt16BE(10) > 0 && message.length >= end + 5;
  return {
    name: labels.join('.').toLowerCase(),
    type: types[message.readUInt16BE(at + 1)] ?? 'other',
    end,
    room: hasOpt ? message.readUInt16BE(end + 3) : plainBytes,
  };
}

/** The addresses of a name: its own, or those of the longest wildcard over it (RFC 4592). Undefined: no such name. */
function addressesOf(name, records) {
  if (records[name]) return records[name];
  const labels = name.split('.');
  for (let i = 1; i < labels.length; i++) {
    const wild = records[`*.${labels.slice(i).join('.')}`];
    if (wild) return wild;
  }
  return undefined;
}

/** `tcp`: nothing is ever too long. */
function answer(message, { records = {}, always }, tcp) {
  const { name, type, end, room } = readQuestion(message);
  const found = addressesOf(name, records);
  const rcode = always ?? (found ? 'NOERROR' : 'NXDOMAIN');
  const own = rcode === 'NOERROR' && type === 'A' ? (found ?? []) : [];
  const all = own.map((address) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split('.').map(Number)]),
  );
  const isCut = !tcp && end + all.length * 16 > room;
  const shown = isCut ? [] : all;
  const head = Buffer.alloc(12);
  message.copy(head, 0, 0, 2);
  head.writeUInt16BE(0x8580 | (isCut ? 0x0200 : 0) | rcodes[rcode], 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(shown.length, 6);
  return Buffer.concat([head, message.subarray(12, end), ...shown]);
}

function serve(options) {
  const { address, port, delayMs = 0 } = options;
  const later = (send) => setTimeout(() => send(), delayMs);
  const udp = createSocket({ type: 'udp4', reuseAddr: true });
  udp.on('message', (message, from) => {
    if (message.length < 17) return;
    later(() => udp.send(answer(message, options, false), from.port, from.address));
  });
  const tcp = createServer((socket) => {
    let bytes = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        const length = bytes.readUInt16BE(0);
        const reply = answer(bytes.subarray(2, 2 + length), options, true);
        bytes = bytes.subarray(2 + length);
        socket.write(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]));
      }
    });
  });
  udp.bind(port, address, () =>
    tcp.listen({ host: address, port }, () => process.stdout.write(`listening ${process.pid}\n`)),
  );
}

/** One A question with room for 4096 bytes; ends with 0 when the answer comes within `limitMs`. */
function ask(server, name, limitMs) {
  const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
  const message = Buffer.concat([
    Buffer.from([process.pid & 255, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]),
    ...labels,
    Buffer.from([0, 0, 1, 0, 1]),
    Buffer.from([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]),
  ]);
  const udp = createSocket('udp4');
  const timer = setTimeout(() => {
    process.stderr.write(`no answer about ${name}\n`);
    process.exit(1);
  }, limitMs);
  udp.on('message', (reply) => {
    clearTimeout(timer);
    process.stdout.write(`${reply.length} bytes about ${name}\n`);
    udp.close();
  });
  udp.send(message, 53, server);
}

const [first = '{}', ...rest] = process.argv.slice(2);
if (first === 'ask') ask(rest[0], rest[1], Number(rest[2] ?? 2000));
else serve(JSON.parse(first));
