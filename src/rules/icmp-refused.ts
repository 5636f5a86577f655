import * as z from 'zod';
import type { Capture, Connection, IcmpError } from '../model/facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { isPortUnreachable, isProhibited, isTimeExceeded, isUndeliverable } from './icmp-meaning.ts';
import { sameAddress } from './ip-address.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, notApplicable, undecided } from './outcomes.ts';
import { worstFirst } from './worst-first.ts';

/** The errors of one sender with one name, and the connects that they answer. */
interface Answers {
  readonly error: IcmpError;
  readonly errors: number;
  readonly connections: ReadonlySet<Connection>;
}

const tcp = 6;

/** ICMP errors that answer connects, by name and sender: reject rules, missing routes, dead hosts, loops. */
export const icmpRefused = defineCaptureRule({
  id: 'icmp-refused',
  fault: '-',
  scope: 'capture',
  params: z.strictObject({}),
  sources: ['RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3', 'errno of each code tried on Linux'],
  text: {
    en: {
      ...captureText.en,
      title: 'Connects are answered with an ICMP error',
      noConnect: 'no connect was seen in the capture',
      answered: (v: { from: string; name: string; connects: number; server: string; errors: number; frame: number }) =>
        `${v.from} answers ${v.name} to ${v.connects} connects to ${v.server} (${v.errors} errors, first: frame ${v.frame})`,
      limited: (v: { connects: number; server: string }) =>
        `${v.connects} more connects to ${v.server} got no answer: only a few such errors are sent per second`,
      prohibited:
        'A firewall forbids it and says so (REJECT; firewalld ends with icmp-host-prohibited). The application sees "No route to host" at once',
      portUnreachable:
        'For TCP only a firewall sends this (REJECT of iptables by default). The application sees "Connection refused" although the port may be open',
      undeliverable:
        'That device has no way further: no route, or the host behind it does not answer ARP (then the error comes about 3 s after the SYN)',
      expired: 'The packets went round until their TTL was used up: a routing loop',
      other: 'That device refuses to deliver it',
      byTarget: 'It is sent by the address that was asked itself',
      byOther: (v: { from: string; server: string }) =>
        `It is not sent by ${v.server} but by ${v.from}, a device on the way`,
      none: 'no connect was answered with an ICMP error',
      open: 'Let the port in on the device that sends the error, in its firewall or security group',
      route: 'Look at the routes and neighbours of the device that sends the error',
      riskOpen: 'Opens access to the port',
      riskRead: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: '连接得到的应答是 ICMP 错误',
      noConnect: '抓包中没有连接尝试',
      answered: (v) =>
        `${v.from} 对到 ${v.server} 的 ${v.connects} 次连接应答 ${v.name}（共 ${v.errors} 个错误，第一个：第 ${v.frame} 帧）`,
      limited: (v) => `到 ${v.server} 的另外 ${v.connects} 次连接没有应答：这类错误每秒只会发送几个`,
      prohibited:
        '是防火墙明确拒绝（REJECT；firewalld 的默认规则以 icmp-host-prohibited 结尾）。应用会立即看到 “No route to host”',
      portUnreachable:
        '对 TCP 来说只有防火墙会发这种错误（iptables REJECT 的默认方式）。应用看到 “Connection refused”，但端口可能是开着的',
      undeliverable: '该设备无法继续转发：没有路由，或者后面的主机不应答 ARP（这时错误大约在 SYN 之后 3 秒出现）',
      expired: '报文一直转到 TTL 耗尽：存在路由环路',
      other: '该设备拒绝转交',
      byTarget: '错误由被访问的地址自己发出',
      byOther: (v) => `错误不是 ${v.server} 发的，而是路上的设备 ${v.from}`,
      none: '没有连接得到 ICMP 错误应答',
      open: '在发出错误的设备上（防火墙或安全组）放行该端口',
      route: '检查发出错误的设备的路由表和邻居表',
      riskOpen: '会放开对该端口的访问',
      riskRead: '无：只读操作',
    },
  },
  evaluate({ capture, place, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    if (!capture.connections.some(({ syns }) => syns.length > 0))
      return notApplicable(because(say.noConnect, capture.at));
    const found = answersOf(capture);
    if (found.length === 0) return notSeen(capture, place, say, say.none);

    const worst = worstFirst(found, ({ connections }) => connections.size);
    const reasons = worst.flatMap(({ error, errors, connections }) => {
      const [first] = connections;
      if (first === undefined) return [];
      const values = { from: error.from, name: error.name, errors, frame: error.frame };
      const server = endpointText(first.server);
      return [
        say.answered({ ...values, connects: connections.size, server }),
        meaningOf(error),
        ...limited(first, connections),
        sameAddress(error.from, first.server.address) ? say.byTarget : say.byOther({ from: error.from, server }),
      ];
    });
    const firewall = worst.some(({ error }) => isProhibited(error) || isPortUnreachable(error));
    return confirmed(
      reasons.map((text) => because(text, capture.at)),
      [
        firewall
          ? { kind: 'permanent', text: say.open, commands: [], undo: [], risk: say.riskOpen }
          : {
              kind: 'permanent',
              text: say.route,
              commands: worst.map(({ error }) => `ip route get ${error.about.destination}`),
              undo: [],
              risk: say.riskRead,
            },
      ],
    );

    function limited({ server }: Connection, told: ReadonlySet<Connection>): string[] {
      const silent = capture.connections.filter(
        (one) =>
          one.handshake === 'unanswered' &&
          one.syns.length > 1 &&
          !told.has(one) &&
          endpointText(one.server) === endpointText(server),
      );
      return silent.length === 0 ? [] : [say.limited({ connects: silent.length, server: endpointText(server) })];
    }

    function meaningOf(error: IcmpError): string {
      if (isProhibited(error)) return say.prohibited;
      if (isPortUnreachable(error)) return say.portUnreachable;
      if (isUndeliverable(error)) return say.undeliverable;
      return isTimeExceeded(error) ? say.expired : say.other;
    }
  },
});

/** By sender and name, over connects that did not succeed. */
function answersOf({ connections, icmpErrors }: Capture): readonly Answers[] {
  const failed = new Map<string, Connection[]>();
  for (const connection of connections) {
    const { handshake, syns } = connection;
    if (syns.length === 0 || (handshake !== 'icmpError' && handshake !== 'unanswered')) continue;
    const key = keyOf(connection.client.address, connection.client.port);
    failed.set(key, [...(failed.get(key) ?? []), connection]);
  }
  const found = new Map<string, { error: IcmpError; errors: number; connections: Set<Connection> }>();
  for (const error of icmpErrors) {
    const { about, name } = error;
    // an answer to the size of a packet is not one to the connect: see mtu-blackhole
    if (about.protocol !== tcp || about.sourcePort === null || name === 'frag-needed' || name === 'packet-too-big')
      continue;
    const meant = (failed.get(keyOf(about.source, about.sourcePort)) ?? []).filter(
      ({ server, syns }) =>
        server.address === about.destination &&
        (about.destinationPort === null || server.port === about.destinationPort) &&
        (syns[0]?.atMs ?? 0) <= error.atMs,
    );
    if (meant.length === 0) continue;
    const key = `${error.from} ${name} ${about.destination} ${about.destinationPort}`;
    const known = found.get(key) ?? { error, errors: 0, connections: new Set() };
    known.errors += 1;
    for (const connection of meant) known.connections.add(connection);
    found.set(key, known);
  }
  return [...found.values()];
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`;
}
