import type { Language } from '../model/language.ts';
import type { LadderMark } from '../model/report.ts';

export type Side = 'client' | 'server';
export type ConversationState =
  | 'unanswered'
  | 'challengeAck'
  | 'refused'
  | 'icmpError'
  | 'noFinalAck'
  | 'stuck'
  | 'windowShut'
  | 'reset'
  | 'retransmissions'
  | 'slowHandshake'
  | 'oneWay'
  | 'midStream'
  | 'fine';

const s = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

function ordinal(number: number): string {
  const tail = number % 100 > 10 && number % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th');
  return `${number}${tail}`;
}

/** What `netcheck pcap` says by itself; rules bring their own sentences. Both languages have the same keys. */
const en = {
  side: { client: 'client', server: 'server' } as Readonly<Record<Side, string>>,
  state: {
    unanswered: 'unanswered',
    challengeAck: 'stale on the server',
    refused: 'refused',
    icmpError: 'ICMP error',
    noFinalAck: 'half open',
    stuck: 'stuck',
    windowShut: 'window shut',
    reset: 'reset',
    retransmissions: 'retransmissions',
    slowHandshake: 'slow to connect',
    oneWay: 'one way only',
    midStream: 'began before',
    fine: 'connected',
  } as Readonly<Record<ConversationState, string>>,
  list: ', ',
  semicolon: '; ',
  colon: ': ',

  // -------------------------------------------------------------------------------------------------- headline
  packets: (count: number) => s(count, 'packet'),
  connections: (count: number) => s(count, 'TCP connection'),
  over: (time: string) => `in ${time}`,
  linkType: (name: string) => `link type ${name}`,
  dropped: (count: number) => `${s(count, 'packet')} dropped by kernel: what seems to be missing may have been there`,
  letGo: (count: number) => `${s(count, 'connection')} let go because of the bound on memory`,

  // ------------------------------------------------------------------------------------------------- diagnosis
  diagnosis: 'Diagnosis',
  noFault: 'No rule that needs only packets found a fault.',
  notJudged: 'Not diagnosed: the capture gave no packets.',
  ruledOut: (titles: string) => `Ruled out: ${titles}`,
  couldNotSee: 'Could not see',
  ownFault: (rule: string, why: string) => `netcheck failed on ${rule} (our own fault): ${why}`,
  risk: 'Risk',
  conversations: 'Conversations',
  alsoSeen: 'Also seen',
  icmpErrors: 'ICMP errors',
  unreadable: 'Could not read everything',
  columns: {
    client: 'client',
    server: 'server',
    packets: 'packets',
    bytes: 'bytes',
    time: 'time',
    state: 'state',
    diagnosis: 'what happened',
  },
  moreAlike: (count: number) => `… and ${count} more like this`,
  more: (count: number, tally: string) => `… and ${count} more (${tally})`,
  uneventful: (count: number) => `${count} more connections to which nothing happened:`,
  service: (server: string, connections: number, clients: string) =>
    `${server}: ${s(connections, 'connection')} from ${clients}`,
  clients: (count: number, capped: boolean) => (capped ? 'many clients' : s(count, 'client')),
  serviceTrouble: (parts: {
    readonly unanswered: number;
    readonly refused: number;
    readonly reset: number;
    readonly retransmitted: number;
  }) =>
    [
      parts.unanswered > 0 ? `${parts.unanswered} unanswered` : '',
      parts.refused > 0 ? `${parts.refused} refused` : '',
      parts.reset > 0 ? `${parts.reset} reset` : '',
      parts.retransmitted > 0 ? s(parts.retransmitted, 'retransmission') : '',
    ].filter((part) => part !== ''),
  flowHint: (file: string, number: number) => `One of them packet by packet: netcheck pcap ${file} --flow ${number}`,
  dnsSeen: (questions: number, unanswered: number, failed: number) =>
    `DNS: ${s(questions, 'question')}${unanswered > 0 ? `, ${unanswered} without an answer` : ''}${failed > 0 ? `, ${failed} answered with an error` : ''}`,
  udpSeen: (flows: number, packets: number, oneSided: number) =>
    `UDP: ${s(flows, 'flow')}, ${s(packets, 'packet')}${oneSided > 0 ? `; in ${oneSided} of them only one side speaks` : ''}`,
  fragmentsSeen: (fragments: number, datagrams: number, incomplete: number) =>
    `IP fragments: ${fragments} of ${s(datagrams, 'datagram')}${incomplete > 0 ? `, ${incomplete} of them never complete` : ''}`,
  claimsSeen: (address: string, macs: string) => `ARP: ${address} is claimed by ${macs}`,
  about: (what: string, protocol: string, from: string, to: string) => `${what}, about ${protocol} ${from} to ${to}`,
  icmp: (name: string, mtu: number | undefined, from: string) =>
    `${name}${mtu === undefined || mtu === 0 ? '' : ` (MTU ${mtu})`} from ${from}`,
  protocolNumber: (number: number) => `protocol ${number}`,

  // -------------------------------------------------------------------------------- one line for one conversation
  theSyn: 'the SYN',
  syns: (count: number, span: string, gaps: string) => `${count} SYNs in ${span} (gaps ${gaps} s)`,
  noAnswer: (to: string) => `no answer to ${to}`,
  staleTsval: (tsval: number, than: number, before: string) =>
    `its TSval ${tsval} is lower than ${than}, seen from the same address ${before} before (tcp_tw_recycle drops such SYNs)`,
  bareAck: (to: string) => `the server answers ${to} with a bare ACK: it still holds an old connection on these ports`,
  refusal: (after: string | null, ttl: number | null) =>
    `RST${after === null ? '' : ` ${after} after the SYN`}${ttl === null ? '' : `, TTL ${ttl}`}: nothing listens there, or a firewall rejects with tcp-reset`,
  icmpAnswers: (to: string) => `an ICMP error answers ${to}`,
  noFinalAck: (synAcks: number, clientResets: boolean) =>
    `${s(synAcks, 'SYN+ACK')} sent, the client's ACK is not here${clientResets ? ': the client resets' : ''}`,
  stuck: (side: Side, bytes: number, from: number, tries: number) =>
    `${s(bytes, 'byte')} from ${from} of the ${side} never arrived${tries > 0 ? `, sent again ${s(tries, 'time')}` : ''}`,
  laterArrived: 'what came after them did',
  lostAfter: 'lost behind this capture',
  lostBefore: 'lost before this capture',
  onlyLarge: (size: number, smaller: number) =>
    `only segments above ${size} bytes are lost, all ${smaller} smaller ones passed`,
  windowShut: (side: Side, duration: string, probes: number) =>
    `the ${side} shut its window for ${duration}${probes > 0 ? ` (${s(probes, 'probe')})` : ''}: its program did not read`,
  windowNeverOpened: (side: Side, duration: string, probes: number) =>
    `the ${side} shut its window and did not open it in ${duration}${probes > 0 ? ` (${s(probes, 'probe')})` : ''}: its program does not read`,
  windowShutTimes: (side: Side, times: number, total: string) =>
    `the ${side} shut its window ${times} times, ${total} in all: its program did not read`,
  reset: (side: Side, after: string) => `reset by the ${side} ${after} after its first packet`,
  resetTtl: (ttl: number, others: string | null) =>
    others === null ? `TTL ${ttl}` : `TTL ${ttl}, its other packets ${others}: somebody in between sent it`,
  resetTtlSame: (ttl: number) => `TTL ${ttl} as its other packets`,
  resetOutside: 'its sequence number is outside of the window',
  resetUnread: (bytes: number) => `${s(bytes, 'byte')} were not acknowledged`,
  resetAfterIdle: (idle: string) => `it answers the first packet after ${idle} of silence`,
  idleUnanswered: (idle: string) => `after ${idle} of silence nothing answers any more`,
  idleLong: (idle: string) => `silent for ${idle}`,
  repeats: (part: number, whole: number, side: Side, percent: string) =>
    `${part} of ${whole} segments of the ${side} are retransmissions (${percent})`,
  connectedAfter: (time: string, syns: number) => `connected after ${time} and ${s(syns, 'SYN')}`,
  delayedAck: (times: number, longest: string) =>
    `${s(times, 'stall')} of up to ${longest}: delayed ACKs meet Nagle's algorithm`,
  oneWaySynAck: 'the SYN+ACK did not pass this capture',
  oneWay: (side: Side) => `only packets of the ${side} pass this capture: the way back is another one`,
  end: {
    closed: 'closed',
    halfClosed: 'closed by one side',
    open: 'still open',
  },
  noData: 'no data',
  rtt: (time: string) => `RTT ${time}`,
  reused: (number: number, since: string) => `the same ports as #${number}, ${since} after it`,
  inside: (kind: string, id: number | null, ends: string | null) =>
    `inside ${kind}${id === null ? '' : ` ${id}`}${ends === null ? '' : ` ${ends}`}`,
  sightings: (side: Side, list: string) => `packets of the ${side} seen ${list}`,
  sighting: (direction: 'in' | 'out' | 'other', device: string, count: number) =>
    `${direction === 'in' ? 'in on' : direction === 'out' ? 'out on' : 'on'} ${device} (${count})`,
  neverSeen: (direction: 'in' | 'out' | 'other', device: string) =>
    `never ${direction === 'in' ? 'in on' : direction === 'out' ? 'out on' : 'on'} ${device}`,
  interface: (index: number | null) => (index === null ? 'a device' : `interface ${index}`),

  // ------------------------------------------------------------------------------------------------ joined files
  joined: 'Joined',
  joinedShared: (connections: number, places: string) =>
    `${s(connections, 'connection')} seen at more than one place, on the way ${places}`,
  joinedNothing: 'These files have no connection in common.',
  clock: (place: string, offset: string, uncertainty: string, samples: number, first: string) =>
    `clock of ${place}: ${offset} against ${first} (± ${uncertainty}, from ${s(samples, 'packet')})`,
  clockUnknown: (place: string) => `clock of ${place}: not known, no packet was seen at both`,
  saw: (place: string, packets: number, first: boolean) =>
    first ? `${place} saw ${s(packets, 'packet')}` : `${place} ${packets}`,
  died: (packets: number, sizes: string, after: string, before: string) =>
    `${s(packets, 'packet')}${sizes} died ${after === before ? `inside ${after}` : `between ${after} and ${before}`}`,
  ofBytes: (smallest: number, largest: number) =>
    largest === 0 ? '' : smallest === largest ? ` of ${smallest} bytes` : ` of ${smallest} to ${largest} bytes`,
  appeared: (packets: number, flags: string, place: string) =>
    `${s(packets, 'packet')} (${flags}) first seen at ${place}: made on the way`,
  allArrived: 'every packet arrived',
  uncertain: (packets: number) =>
    `how far ${s(packets, 'packet')} came is not known: not every place was capturing then`,
  translated: (matchedBy: string) => `the addresses are translated on the way; matched by ${matchedBy}`,
  asSeenAt: (place: string, client: string, server: string) => `at ${place}: ${client} → ${server}`,
  moreJoined: (count: number) => `… and ${s(count, 'more connection')} of which every packet arrived`,
  moreJoinedDied: (count: number) => `… and ${s(count, 'more connection')} of which packets died`,

  // ----------------------------------------------------------------------------------------------------- ladder
  hole: (start: number, end: number, bytes: number) => `hole ${start}-${end}: ${s(bytes, 'byte')} missing`,
  filled: (start: number, end: number) => `hole ${start}-${end} is filled`,
  sack: (blocks: string) => `SACK ${blocks}`,
  attempt: (number: number) => `${ordinal(number)} try`,
  shutFor: (duration: string) => `shut for ${duration}`,
  neverOpens: 'never opens again',
  neverFilled: 'never filled',
  gapHere: 'bytes before it were not seen here',
  madeOnTheWay: 'made on the way',
  afterSilence: (duration: string) => `after ${duration} of silence`,
  folded: (packets: number, size: string | null, acked: boolean) =>
    `… ${s(packets, 'packet')}${size === null ? '' : `, ${size}`}${acked ? ', ACKed' : ''}`,
  silence: (duration: string) => `${duration} of silence`,
  mark: {
    retransmission: 'again',
    fastRetransmission: 'again (fast)',
    spuriousRetransmission: 'needless',
    outOfOrder: 'out of order',
    duplicateAck: 'dup ACK',
    hole: 'hole',
    gap: 'gap',
    filled: 'filled',
    zeroWindow: 'window 0',
    windowOpen: 'window open',
    zeroWindowProbe: 'probe',
    windowFull: 'window full',
    keepAlive: 'keep-alive',
    reset: 'RST',
    portReuse: 'ports reused',
  } as Readonly<Record<LadderMark, string>>,
  noFlow: (number: string, connections: number) =>
    connections === 0
      ? `There is no TCP connection in it, so none with the number ${number}.`
      : `There is no connection ${number}: they are numbered from 0 to ${connections - 1}.`,
  flowCut: (shown: number) => `Only the first ${shown} packets of this conversation were kept.`,
  ladders: 'Packet by packet',
  captured: (time: string) => `captured ${time}`,
};

export type PcapWording = typeof en;

const zhSide = { client: '客户端', server: '服务端' } as const;
const zhWay = (direction: 'in' | 'out' | 'other', device: string): string =>
  direction === 'in' ? `进入 ${device}` : direction === 'out' ? `发出自 ${device}` : `在 ${device}`;

const zh: PcapWording = {
  side: zhSide,
  state: {
    unanswered: '无应答',
    challengeAck: '服务端残留旧连接',
    refused: '被拒绝',
    icmpError: 'ICMP 错误',
    noFinalAck: '半开',
    stuck: '卡住',
    windowShut: '窗口关闭',
    reset: '被重置',
    retransmissions: '重传',
    slowHandshake: '建连慢',
    oneWay: '只见单向',
    midStream: '抓包前已建立',
    fine: '已连接',
  },
  list: '、',
  semicolon: '；',
  colon: '：',

  packets: (count) => `${count} 个包`,
  connections: (count) => `${count} 个 TCP 连接`,
  over: (time) => `历时 ${time}`,
  linkType: (name) => `链路类型 ${name}`,
  dropped: (count) => `内核丢弃了 ${count} 个包：看似缺失的包可能存在过`,
  letGo: (count) => `受内存上限所限，放弃了 ${count} 个连接`,

  diagnosis: '诊断',
  noFault: '只看抓包的规则都没有发现故障。',
  notJudged: '没有诊断：抓包里没有包。',
  ruledOut: (titles) => `已排除：${titles}`,
  couldNotSee: '未能查看',
  ownFault: (rule, why) => `规则 ${rule} 上 netcheck 自身出错（我方问题）：${why}`,
  risk: '风险',
  conversations: '连接',
  alsoSeen: '其他流量',
  icmpErrors: 'ICMP 错误',
  unreadable: '未能全部读取',
  columns: {
    client: '客户端',
    server: '服务端',
    packets: '包数',
    bytes: '字节',
    time: '时长',
    state: '状态',
    diagnosis: '发生了什么',
  },
  moreAlike: (count) => `…… 另有 ${count} 个相同情况`,
  more: (count, tally) => `…… 另有 ${count} 个（${tally}）`,
  uneventful: (count) => `另有 ${count} 个连接没有异常：`,
  service: (server, connections, clients) => `${server}：${connections} 个连接，来自${clients}`,
  clients: (count, capped) => (capped ? '很多客户端' : ` ${count} 个客户端`),
  serviceTrouble: (parts) =>
    [
      parts.unanswered > 0 ? `${parts.unanswered} 个无应答` : '',
      parts.refused > 0 ? `${parts.refused} 个被拒绝` : '',
      parts.reset > 0 ? `${parts.reset} 个被重置` : '',
      parts.retransmitted > 0 ? `${parts.retransmitted} 次重传` : '',
    ].filter((part) => part !== ''),
  flowHint: (file, number) => `逐包查看某个连接：netcheck pcap ${file} --flow ${number}`,
  dnsSeen: (questions, unanswered, failed) =>
    `DNS：${questions} 次查询${unanswered > 0 ? `，${unanswered} 次无应答` : ''}${failed > 0 ? `，${failed} 次返回错误` : ''}`,
  udpSeen: (flows, packets, oneSided) =>
    `UDP：${flows} 条流，${packets} 个包${oneSided > 0 ? `；其中 ${oneSided} 条只有一方在发` : ''}`,
  fragmentsSeen: (fragments, datagrams, incomplete) =>
    `IP 分片：${datagrams} 个报文的 ${fragments} 个分片${incomplete > 0 ? `，其中 ${incomplete} 个报文始终不完整` : ''}`,
  claimsSeen: (address, macs) => `ARP：${address} 被多个 MAC 声称：${macs}`,
  about: (what, protocol, from, to) => `${what}，针对 ${protocol} ${from} 到 ${to}`,
  icmp: (name, mtu, from) => `${from} 返回 ${name}${mtu === undefined || mtu === 0 ? '' : `（MTU ${mtu}）`}`,
  protocolNumber: (number) => `协议 ${number}`,

  theSyn: ' SYN',
  syns: (count, span, gaps) => ` ${span} 内的 ${count} 个 SYN（间隔 ${gaps} s）`,
  noAnswer: (to) => `${to.trim()}没有得到应答`,
  staleTsval: (tsval, than, before) =>
    `它的 TSval ${tsval} 小于同一地址 ${before} 前出现过的 ${than}（tcp_tw_recycle 会丢弃这样的 SYN）`,
  bareAck: (to) => `服务端以单独的 ACK 回应${to}：它在这对端口上还留着旧连接`,
  refusal: (after, ttl) =>
    `${after === null ? '' : `SYN 之后 ${after} `}收到 RST${ttl === null ? '' : `，TTL ${ttl}`}：那里没有监听，或防火墙以 tcp-reset 拒绝`,
  icmpAnswers: (to) => `ICMP 错误回应了${to}`,
  noFinalAck: (synAcks, clientResets) =>
    `发出了 ${synAcks} 个 SYN+ACK，这里没有看到客户端的 ACK${clientResets ? '：客户端发了 RST' : ''}`,
  stuck: (side, bytes, from, tries) =>
    `${zhSide[side]}从 ${from} 起的 ${bytes} 字节始终没有到达${tries > 0 ? `，重发了 ${tries} 次` : ''}`,
  laterArrived: '其后的数据却到了',
  lostAfter: '丢在本抓包点之后',
  lostBefore: '丢在本抓包点之前',
  onlyLarge: (size, smaller) => `只有大于 ${size} 字节的段丢失，较小的 ${smaller} 个全部通过`,
  windowShut: (side, duration, probes) =>
    `${zhSide[side]}的接收窗口关闭了 ${duration}${probes > 0 ? `（${probes} 次探测）` : ''}：它的程序没有读取`,
  windowNeverOpened: (side, duration, probes) =>
    `${zhSide[side]}关闭了接收窗口，${duration} 内没有再打开${probes > 0 ? `（${probes} 次探测）` : ''}：它的程序不读取`,
  windowShutTimes: (side, times, total) => `${zhSide[side]}的接收窗口关闭了 ${times} 次，共 ${total}：它的程序没有读取`,
  reset: (side, after) => `首包之后 ${after} 被${zhSide[side]}重置`,
  resetTtl: (ttl, others) => (others === null ? `TTL ${ttl}` : `TTL ${ttl}，而它的其他包是 ${others}：由中间设备发出`),
  resetTtlSame: (ttl) => `TTL ${ttl}，与它的其他包一致`,
  resetOutside: '序列号在窗口之外',
  resetUnread: (bytes) => `还有 ${bytes} 字节没有被确认`,
  resetAfterIdle: (idle) => `静默 ${idle} 后的第一个包得到的就是它`,
  idleUnanswered: (idle) => `静默 ${idle} 之后再无应答`,
  idleLong: (idle) => `静默了 ${idle}`,
  repeats: (part, whole, side, percent) => `${zhSide[side]}的 ${whole} 个段中有 ${part} 个是重传（${percent}）`,
  connectedAfter: (time, syns) => `用了 ${time}、${syns} 个 SYN 才连上`,
  delayedAck: (times, longest) => `停顿 ${times} 次，最长 ${longest}：延迟 ACK 遇上 Nagle 算法`,
  oneWaySynAck: 'SYN+ACK 没有经过本抓包点',
  oneWay: (side) => `本抓包点只有${zhSide[side]}的包：回程走的是另一条路`,
  end: { closed: '已关闭', halfClosed: '一方已关闭', open: '仍打开' },
  noData: '没有数据',
  rtt: (time) => `RTT ${time}`,
  reused: (number, since) => `与 #${number} 端口相同，在其 ${since} 之后`,
  inside: (kind, id, ends) => `封装在 ${kind}${id === null ? '' : ` ${id}`}${ends === null ? '' : ` ${ends}`} 中`,
  sightings: (side, list) => `${zhSide[side]}的包见于：${list}`,
  sighting: (direction, device, count) => `${zhWay(direction, device)}（${count}）`,
  neverSeen: (direction, device) => `从未${zhWay(direction, device)}`,
  interface: (index) => (index === null ? '某设备' : `接口 ${index}`),

  joined: '合并',
  joinedShared: (connections, places) => `${connections} 个连接在多处被看到，路径 ${places}`,
  joinedNothing: '这些文件没有共同的连接。',
  clock: (place, offset, uncertainty, samples, first) =>
    `${place} 的时钟：相对 ${first} ${offset}（± ${uncertainty}，依据 ${samples} 个包）`,
  clockUnknown: (place) => `${place} 的时钟：未知，没有包在两处都被看到`,
  saw: (place, packets, first) => `${place} ${first ? '看到 ' : ''}${packets}${first ? ' 个包' : ''}`,
  died: (packets, sizes, after, before) =>
    `${packets} 个包${sizes}丢在 ${after === before ? `${after} 内部` : `${after} 与 ${before} 之间`}`,
  ofBytes: (smallest, largest) =>
    largest === 0 ? '' : smallest === largest ? `（${smallest} 字节）` : `（${smallest} 到 ${largest} 字节）`,
  appeared: (packets, flags, place) => `${packets} 个包（${flags}）最早见于 ${place}：由中间设备产生`,
  allArrived: '所有包都到达了',
  uncertain: (packets) => `有 ${packets} 个包不知走到哪里：当时并非每处都在抓包`,
  translated: (matchedBy) => `途中做了地址转换；匹配依据：${matchedBy}`,
  asSeenAt: (place, client, server) => `在 ${place}：${client} → ${server}`,
  moreJoined: (count) => `…… 另有 ${count} 个连接，所有包都到达了`,
  moreJoinedDied: (count) => `…… 另有 ${count} 个连接有包丢失`,

  hole: (start, end, bytes) => `空洞 ${start}-${end}：缺 ${bytes} 字节`,
  filled: (start, end) => `空洞 ${start}-${end} 已补上`,
  sack: (blocks) => `SACK ${blocks}`,
  attempt: (number) => `第 ${number} 次发送`,
  shutFor: (duration) => `关闭 ${duration}`,
  neverOpens: '再未打开',
  neverFilled: '始终未补上',
  gapHere: '之前的字节这里没有看到',
  madeOnTheWay: '由中间设备产生',
  afterSilence: (duration) => `静默 ${duration} 之后`,
  folded: (packets, size, acked) => `…… ${packets} 个包${size === null ? '' : `，${size}`}${acked ? '，已确认' : ''}`,
  silence: (duration) => `静默 ${duration}`,
  mark: {
    retransmission: '重传',
    fastRetransmission: '快速重传',
    spuriousRetransmission: '多余重传',
    outOfOrder: '乱序',
    duplicateAck: '重复 ACK',
    hole: '空洞',
    gap: '缺包',
    filled: '已补上',
    zeroWindow: '窗口 0',
    windowOpen: '窗口打开',
    zeroWindowProbe: '窗口探测',
    windowFull: '窗口已满',
    keepAlive: '保活',
    reset: 'RST',
    portReuse: '端口复用',
  },
  noFlow: (number, connections) =>
    connections === 0
      ? `里面没有 TCP 连接，也就没有 ${number} 号。`
      : `没有 ${number} 号连接：编号从 0 到 ${connections - 1}。`,
  flowCut: (shown) => `这个连接只保留了前 ${shown} 个包。`,
  ladders: '逐包查看',
  captured: (time) => `抓包时间 ${time}`,
};

export const pcapWording: Readonly<Record<Language, PcapWording>> = { en, zh };
