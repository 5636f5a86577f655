import { type CaptureRecord, noLinkType } from './capture-reader.ts';
import { inflate } from './inflate.ts';
import {
  type LinkPayload,
  passLinkHeader,
  payloadEthernet,
  payloadLlc,
  payloadPpp,
  payloadRawIp,
  payloadUnknown,
} from './link-header.ts';

/**
 * The innermost layer that was recognised:
 * - `none`: not IP, or cut before the end of the IP header
 * - `arp`
 * - `ip`: IP with a transport protocol that is not looked into, or cut before the transport header's ports
 * - `fragment`: an IP fragment other than the first: addresses, no ports
 * - `tcpShort`: TCP, but not enough of its header to analyse it; ports are there
 * - `icmp`: ICMP or ICMPv6 that is not an error
 * - `icmpError`: with the embedded packet in the `inner…` fields
 */
export type PacketKind = 'none' | 'arp' | 'ip' | 'fragment' | 'tcp' | 'tcpShort' | 'udp' | 'icmp' | 'icmpError';

const noBytes = new DataView(new ArrayBuffer(0));

export const flagFin = 0x01;
export const flagSyn = 0x02;
export const flagRst = 0x04;
export const flagPush = 0x08;
export const flagAck = 0x10;
export const flagUrg = 0x20;
export const flagEce = 0x40;
export const flagCwr = 0x80;

/**
 * What the headers of one packet say. One object is filled again and again ({@link decodePacket}); fields that do not
 * belong to `kind` keep old values and mean nothing. 32-bit values are kept as signed integers (`x | 0`), which V8
 * stores without allocation; `>>> 0` gives the number on the wire.
 */
export class DecodedPacket {
  kind: PacketKind = 'none';
  ipVersion: 0 | 4 | 6 = 0;
  /** Addresses as four 32-bit words; IPv4 is in word 3, the others 0. */
  source0 = 0;
  source1 = 0;
  source2 = 0;
  source3 = 0;
  destination0 = 0;
  destination1 = 0;
  destination2 = 0;
  destination3 = 0;
  /** TTL or hop limit. */
  ttl = 0;
  /** Identification of IPv4; 0 in IPv6 without a fragment header. */
  ipId = 0;
  /** Next protocol of the innermost IP header. */
  protocol = 0;
  /** First fragment with more to come: ports are right, lengths are not the datagram's. */
  moreFragments = false;
  /** Put together from IP fragments; it belongs to the frame of the fragment that came last. */
  fragmented = false;
  /** Tunnel or encapsulation that the innermost IP header was found in: `ipip`, `gre`, `vxlan` …; empty: none. */
  tunnel = '';
  /** Tunnels around what is described here, PPP and MPLS included; 0: none. */
  tunnelDepth = 0;
  /** VXLAN or Geneve network identifier, GRE key (PPTP: call), GTP-U TEID, L2TP tunnel and session: of the innermost tunnel that has one; -1: none. */
  tunnelId = -1;
  /** The IP layer around all tunnels, as it was on the wire; 0: no tunnel, or none that is carried in IP (PPPoE, MPLS). */
  outerVersion: 0 | 4 | 6 = 0;
  outerSource0 = 0;
  outerSource1 = 0;
  outerSource2 = 0;
  outerSource3 = 0;
  outerDestination0 = 0;
  outerDestination1 = 0;
  outerDestination2 = 0;
  outerDestination3 = 0;

  sourcePort = 0;
  destinationPort = 0;

  sequence = 0;
  acknowledgement = 0;
  flags = 0;
  /** As in the header, not scaled. */
  window = 0;
  /** Payload of the TCP segment on the wire, from the IP length, not from what was captured; -1 where unknown. */
  payloadLength = 0;
  /** -1: no such option in this segment. */
  mss = -1;
  windowScale = -1;
  sackPermitted = false;
  hasTimestamps = false;
  tsval = 0;
  tsecr = 0;
  /** Number of SACK blocks; edges in `sackEdges`, left and right in turn. */
  sackBlocks = 0;
  readonly sackEdges = new Int32Array(8);
  /** A Fast Open cookie is in the segment (RFC 7413). */
  fastOpenCookie = false;
  /** Bit n set: MPTCP option with subtype n (RFC 8684); 0: none. */
  mptcpSubtypes = 0;

  icmpType = 0;
  icmpCode = 0;
  /** Next-hop MTU of frag-needed and packet-too-big; 0 where the router did not tell. */
  icmpMtu = 0;
  /** The packet inside an ICMP error; 0: cut before its addresses. */
  innerVersion: 0 | 4 | 6 = 0;
  innerProtocol = 0;
  /** The `inner…` packet was in this tunnel: what the router saw and refused is the tunnel's packet; empty: none. */
  innerTunnel = '';
  innerSource0 = 0;
  innerSource1 = 0;
  innerSource2 = 0;
  innerSource3 = 0;
  innerDestination0 = 0;
  innerDestination1 = 0;
  innerDestination2 = 0;
  innerDestination3 = 0;
  /** -1: cut before the ports, or a protocol without ports. */
  innerSourcePort = -1;
  innerDestinationPort = -1;
  hasInnerSequence = false;
  innerSequence = 0;

  /** Device index, where the link layer tells (SLL2); -1: it does not. */
  interfaceIndex = -1;
  direction: 'in' | 'out' | 'other' = 'other';
  /** The link layer is the one of `-i any`: one packet may be there once per device. */
  cooked = false;
  /** The link type is not one that is understood. */
  unknownLink = false;

  /**
   * The bytes that the packet was decoded from: the capture's own, or those of a datagram put together from fragments.
   * Used again for the next packet.
   */
  view: DataView = noBytes;
  /** Where the last header ends that was understood, in `view`; payload begins here. */
  headersEnd = 0;
  /** Where the captured bytes of the innermost layer that was recognised end, in `view`. */
  capturedEnd = 0;

  /** Outermost IP layer that is a fragment: where its data begins in `view`; -1: none is. The rest is about this one. */
  fragmentAt = -1;
  /** Bytes of data, on the wire and captured of them. */
  fragmentLength = 0;
  fragmentCaptured = 0;
  /** Where it belongs in the datagram, bytes. */
  fragmentOffset = 0;
  fragmentMore = false;
  /** 16 bits in IPv4, 32 in IPv6. */
  fragmentId = 0;
  fragmentProtocol = 0;
  /** Where the innermost IP datagram ends by its own header, which may be past the end of the frame. */
  claimedEnd = 0;
  /** Set from outside: what lies in a first fragment is not looked at. */
  stopAtFragment = false;

  readonly asWireshark: boolean;
  readonly inflate: boolean;

  /**
   * @param options `asWireshark`: dissect what tshark 4.0 dissects by default, where that is less or odd (no VXLAN on port
   *   8472, no UDP of length 0, headers in sFlow samples …). `inflate`: look into IPComp; `view` is then not the capture's.
   */
  constructor(options: { readonly asWireshark?: boolean; readonly inflate?: boolean } = {}) {
    this.asWireshark = options.asWireshark ?? false;
    this.inflate = options.inflate ?? false;
  }
}

const maxDepth = 12;
/** No packet is longer; what a damaged record claims beyond it would not fit the 32-bit words that lengths are kept in. */
const longestOnWire = 0x3fff_ffff;

/**
 * Fills `packet` from a captured record: link layer, tunnels, IP, transport. Never throws and never reads outside the
 * record, whatever is in it; a header that is cut or impossible ends the decoding at the layer before it.
 */
export function decodePacket(record: CaptureRecord, packet: DecodedPacket): void {
  const view = record.view;
  const start = record.start;
  // Lengths in headers are bounded by what was on the wire, reading by what was captured of it.
  const wireEnd = start + Math.min(record.wireLength, longestOnWire);
  const end = start + Math.min(record.capturedLength, record.wireLength);
  packet.kind = 'none';
  packet.ipVersion = 0;
  packet.ipId = 0;
  packet.moreFragments = false;
  packet.fragmented = false;
  packet.fragmentAt = -1;
  packet.tunnel = '';
  packet.tunnelDepth = 0;
  packet.tunnelId = -1;
  packet.outerVersion = 0;
  packet.interfaceIndex = -1;
  packet.direction = record.direction ?? 'other';
  packet.cooked = false;
  packet.unknownLink = false;
  packet.view = view;
  packet.headersEnd = start;
  packet.capturedEnd = end;

  switch (record.linkType) {
    case 1:
      ethernet(view, start, end, wireEnd, packet);
      return;
    case 113:
      sll(view, start, end, wireEnd, packet);
      return;
    case 276:
      sll2(view, start, end, wireEnd, packet);
      return;
    case 12:
    case 14:
    case 101:
    case 228:
    case 229:
      rawIp(view, start, end, wireEnd, packet);
      return;
    case 0:
    case 108:
      nullLoopback(view, start, end, wireEnd, packet);
      return;
    case 9:
    case 50:
      ppp(view, start, end, wireEnd, packet);
      return;
    case 51:
      pppoe(view, start, end, wireEnd, packet);
      return;
    case 7:
      arcnet(view, start + 2, end, wireEnd, packet);
      return;
    case 129:
      arcnet(view, start + 4, end, wireEnd, packet);
      return;
    case 242:
      // IP over InfiniBand: 40 bytes GRH, ethertype, two reserved bytes.
      if (end - start >= 44) etherType(view.getUint16(start + 40), view, start + 44, end, wireEnd, packet);
      return;
    case noLinkType:
      return;
    default:
      if (!passLinkHeader(record.linkType, view, start, end, found)) packet.unknownLink = true;
      else if (found.at <= end) linkPayload(found.type, view, found.at, end, wireEnd, packet);
  }
}

const found: LinkPayload = { at: 0, type: payloadUnknown };

function linkPayload(
  type: number,
  view: DataView,
  at: number,
  end: number,
  wireEnd: number,
  packet: DecodedPacket,
): void {
  packet.headersEnd = at;
  if (type === payloadRawIp) rawIp(view, at, end, wireEnd, packet);
  else if (type === payloadEthernet) ethernet(view, at, end, wireEnd, packet);
  else if (type === payloadLlc) llc(view, at, end, wireEnd, packet);
  else if (type === payloadPpp) ppp(view, at, end, wireEnd, packet);
  else if (type !== payloadUnknown) etherType(type, view, at, end, wireEnd, packet);
}

function ethernet(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 14) return;
  const type = view.getUint16(at + 12);
  if (type === 0x0800) ipv4(view, at + 14, end, wireEnd, packet);
  else etherType(type, view, at + 14, end, wireEnd, packet);
}

/** Linux cooked capture v1 (LINKTYPE_LINUX_SLL): `-i any` before tcpdump 4.99. */
function sll(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  packet.cooked = true;
  if (end - at < 16) return;
  packet.direction = cookedDirection(view.getUint16(at));
  cookedProtocol(view.getUint16(at + 2), view.getUint16(at + 14), view, at + 16, end, wireEnd, packet);
}

/** Linux cooked capture v2 (LINKTYPE_LINUX_SLL2): `-i any` since tcpdump 4.99, with the device's index. */
function sll2(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  packet.cooked = true;
  if (end - at < 20) return;
  packet.interfaceIndex = view.getInt32(at + 4);
  packet.direction = cookedDirection(view.getUint8(at + 10));
  cookedProtocol(view.getUint16(at + 8), view.getUint16(at), view, at + 20, end, wireEnd, packet);
}

/** PACKET_HOST 0, BROADCAST 1, MULTICAST 2, OTHERHOST 3, OUTGOING 4 (linux/if_packet.h). */
function cookedDirection(packetType: number): 'in' | 'out' | 'other' {
  return packetType === 4 ? 'out' : packetType <= 2 ? 'in' : 'other';
}

function cookedProtocol(
  hardware: number,
  protocol: number,
  view: DataView,
  at: number,
  end: number,
  wireEnd: number,
  packet: DecodedPacket,
): void {
  // ARPHRD_NETLINK carries no packets of a network.
  if (hardware === 824) return;
  if (protocol === 0x0004) llc(view, at, end, wireEnd, packet);
  else etherType(protocol, view, at, end, wireEnd, packet);
}

function rawIp(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 1) return;
  const version = view.getUint8(at) >> 4;
  if (version === 4) ipv4(view, at, end, wireEnd, packet);
  else if (version === 6) ipv6(view, at, end, wireEnd, packet);
}

/** BSD loopback: the address family in the byte order of the machine that captured (24, 28, 30: IPv6 of the BSDs). */
function nullLoopback(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 4) return;
  const little = view.getUint32(at, true);
  const family = little > 0xffff ? view.getUint32(at) : little;
  if (family === 2) ipv4(view, at + 4, end, wireEnd, packet);
  else if (family === 10 || family === 24 || family === 28 || family === 30) ipv6(view, at + 4, end, wireEnd, packet);
}

function arcnet(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 1) return;
  const protocol = view.getUint8(at);
  // RFC 1051 has no more header than this byte; RFC 1201 has a split flag and a sequence number.
  if (protocol === 240) ipv4(view, at + 1, end, wireEnd, packet);
  else if (protocol === 212) {
    const exception = end - at >= 2 && view.getUint8(at + 1) === 0xff;
    ipv4(view, at + (exception ? 8 : 4), end, wireEnd, packet);
  }
}

function etherType(
  first: number,
  view: DataView,
  from: number,
  end: number,
  wireEnd: number,
  packet: DecodedPacket,
): void {
  let type = first;
  let at = from;
  for (;;) {
    packet.headersEnd = at;
    switch (type) {
      case 0x0800:
        ipv4(view, at, end, wireEnd, packet);
        return;
      case 0x86dd:
        ipv6(view, at, end, wireEnd, packet);
        return;
      case 0x8100:
      case 0x88a8:
      case 0x9100:
      case 0x9200:
        if (end - at < 4 || (type === 0x9200 && packet.asWireshark)) return;
        type = view.getUint16(at + 2);
        at += 4;
        continue;
      case 0x8909:
        // Cisco MetaData: version, length, options of 4 bytes.
        if (end - at < 8) return;
        type = view.getUint16(at + 6);
        at += 8;
        continue;
      case 0x8926:
        // VN-Tag.
        if (end - at < 6) return;
        type = view.getUint16(at + 4);
        at += 6;
        continue;
      case 0x894f:
        serviceHeader(view, at, end, wireEnd, packet);
        return;
      case 0x0806:
        packet.kind = 'arp';
        packet.headersEnd = Math.min(end, at + 28);
        return;
      case 0x8847:
      case 0x8848:
        mpls(view, at, end, wireEnd, packet);
        return;
      case 0x8864:
        pppoe(view, at, end, wireEnd, packet);
        return;
      case 0x6558:
        tunnelled('bridged', packet);
        if (packet.tunnelDepth <= maxDepth) ethernet(view, at, end, wireEnd, packet);
        return;
      case 0x88e7:
        // 802.1ah: the I-TAG's four bytes, then a whole Ethernet frame.
        tunnelled('pbb', packet);
        if (packet.tunnelDepth <= maxDepth) ethernet(view, at + 4, end, wireEnd, packet);
        return;
      default:
        if (type <= 1500) llc(view, at, end, Math.min(wireEnd, at + type), packet);
        return;
    }
  }
}

/** 802.2 LLC with SNAP (RFC 1042), or with the SAP of IP; nothing else carries IP in practice. */
function llc(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 8 || view.getUint8(at + 2) !== 3) return;
  const points = view.getUint16(at);
  if (points === 0x0606) ipv4(view, at + 3, end, wireEnd, packet);
  if (points !== 0xaaaa) return;
  const organisation = view.getUint32(at + 2) & 0xff_ffff;
  if (organisation !== 0 && organisation !== 0xf8) return;
  const type = view.getUint16(at + 6);
  if (type > 1500) etherType(type, view, at + 8, end, wireEnd, packet);
}

/** Network Service Header (RFC 8300): its length in words, and what follows. */
function serviceHeader(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 8) return;
  const inner = at + (view.getUint8(at + 1) & 0x3f) * 4;
  if (inner < at + 8 || inner > end) return;
  packet.headersEnd = inner;
  tunnelled('nsh', packet);
  genericPayload(view.getUint8(at + 3), view, inner, end, wireEnd, packet);
}

/** Next protocol of NSH and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe). */
function genericPayload(
  protocol: number,
  view: DataView,
  at: number,
  end: number,
  wireEnd: number,
  packet: DecodedPacket,
): void {
  if (packet.tunnelDepth > maxDepth) return;
  if (protocol === 1) ipv4(view, at, end, wireEnd, packet);
  else if (protocol === 2) ipv6(view, at, end, wireEnd, packet);
  else if (protocol === 3) ethernet(view, at, end, wireEnd, packet);
  else if (protocol === 4) serviceHeader(view, at, end, wireEnd, packet);
  else if (protocol === 5) mpls(view, at, end, wireEnd, packet);
}

/** What follows lies in a tunnel; the IP layer before it, if there is one, is the outer one unless one was outer to it. */
function tunnelled(name: string, packet: DecodedPacket): void {
  packet.tunnel = name;
  packet.tunnelDepth++;
  if (packet.outerVersion !== 0 || packet.ipVersion === 0) return;
  packet.outerVersion = packet.ipVersion;
  packet.outerSource0 = packet.source0;
  packet.outerSource1 = packet.source1;
  packet.outerSource2 = packet.source2;
  packet.outerSource3 = packet.source3;
  packet.outerDestination0 = packet.destination0;
  packet.outerDestination1 = packet.destination1;
  packet.outerDestination2 = packet.destination2;
  packet.outerDestination3 = packet.destination3;
}

function mpls(view: DataView, from: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  let at = from;
  for (;;) {
    if (end - at < 4) return;
    const bottom = (view.getUint8(at + 2) & 1) === 1;
    at += 4;
    if (bottom) break;
  }
  packet.headersEnd = at;
  if (end - at < 1) return;
  tunnelled('mpls', packet);
  if (packet.tunnelDepth > maxDepth) return;
  // MPLS does not say what it carries; the first nibble does (RFC 4928): 4, 6, or 0 for a pseudowire control word.
  const nibble = view.getUint8(at) >> 4;
  if (nibble === 4) ipv4(view, at, end, wireEnd, packet);
  else if (nibble === 6) ipv6(view, at, end, wireEnd, packet);
  else if (nibble === 1) associatedChannel(view, at, end, wireEnd, packet);
  else if (nibble === 0 || !packet.asWireshark) {
    ethernet(view, pseudowireFrame(view, at, end, packet.asWireshark), end, wireEnd, packet);
  }
}

/** Control messages of a pseudowire (RFC 4385 5) may be IP. */
function associatedChannel(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 4) return;
  const channel = view.getUint16(at + 2);
  if (channel === 0x21) ipv4(view, at + 4, end, wireEnd, packet);
  else if (channel === 0x57) ipv6(view, at + 4, end, wireEnd, packet);
}

/**
 * An Ethernet pseudowire has a control word before the frame or not (RFC 4448 4.6), and no packet says which. With one,
 * the first nibble is 0; of the two places for an EtherType, the one counts that holds one.
 */
function pseudowireFrame(view: DataView, at: number, end: number, asWireshark: boolean): number {
  if (view.getUint8(at) >> 4 !== 0) return at;
  if (asWireshark) {
    // It takes two addresses of known makers for a frame without control word. All of 00:00:xx are known.
    const looksPlain = end - at >= 14 && view.getUint16(at) === 0 && view.getUint16(at + 6) === 0;
    return looksPlain ? at : at + 4;
  }
  const type = end - at >= 14 ? view.getUint16(at + 12) : 0;
  const typeAfterWord = end - at >= 18 ? view.getUint16(at + 16) : 0;
  return carriedTypes.has(type) && !carriedTypes.has(typeAfterWord) ? at : at + 4;
}

const carriedTypes: ReadonlySet<number> = new Set([
  0x0800, 0x0806, 0x8100, 0x86dd, 0x8847, 0x8848, 0x8863, 0x8864, 0x88a8, 0x9100,
]);

function pppoe(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  // Version 1, type 1, code 0: session data (RFC 2516).
  if (end - at < 8 || view.getUint8(at) !== 0x11 || view.getUint8(at + 1) !== 0) return;
  ppp(view, at + 6, end, Math.min(wireEnd, at + 6 + view.getUint16(at + 4)), packet);
}

function ppp(view: DataView, from: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  let at = from;
  if (end - at >= 2 && view.getUint16(at) === 0xff03) at += 2;
  if (end - at < 1) return;
  // The protocol may be compressed to one odd byte (RFC 1661 6.5).
  let protocol = view.getUint8(at);
  if ((protocol & 1) === 1) at += 1;
  else {
    if (end - at < 2) return;
    protocol = view.getUint16(at);
    at += 2;
  }
  packet.headersEnd = at;
  tunnelled('ppp', packet);
  if (packet.tunnelDepth > maxDepth) return;
  if (protocol === 0x21) ipv4(view, at, end, wireEnd, packet);
  else if (protocol === 0x57) ipv6(view, at, end, wireEnd, packet);
  else if (protocol === 0x281 || protocol === 0x283) mpls(view, at, end, wireEnd, packet);
}

function ipv4(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 20) return;
  const first = view.getUint8(at);
  const headerLength = (first & 0x0f) * 4;
  if (first >> 4 !== 4 || headerLength < 20) return;
  const totalLength = view.getUint16(at + 2);
  // A length of 0 is segmentation offload seen before the NIC filled it in: the frame's length stands for it.
  if (totalLength !== 0 && totalLength < headerLength) return;
  const claimedEnd = totalLength === 0 ? wireEnd : at + totalLength;
  const datagramEnd = Math.min(wireEnd, claimedEnd);
  packet.kind = 'ip';
  packet.ipVersion = 4;
  packet.ipId = view.getUint16(at + 4);
  packet.ttl = view.getUint8(at + 8);
  packet.protocol = view.getUint8(at + 9);
  packet.source0 = 0;
  packet.source1 = 0;
  packet.source2 = 0;
  packet.source3 = view.getInt32(at + 12);
  packet.destination0 = 0;
  packet.destination1 = 0;
  packet.destination2 = 0;
  packet.destination3 = view.getInt32(at + 16);
  packet.headersEnd = Math.min(end, at + headerLength);
  packet.moreFragments = false;
  packet.claimedEnd = claimedEnd;
  const captured = Math.min(end, datagramEnd);
  const fragment = view.getUint16(at + 6) & 0x3fff;
  if (fragment !== 0) {
    const offset = (fragment & 0x1fff) * 8;
    if (isLeft(at + headerLength, captured, offset, fragment >= 0x2000, packet.ipId, packet)) return;
  }
  transport(packet.protocol, view, at + headerLength, captured, datagramEnd, packet);
}

/** Notes a fragment; returns whether it is only that: not a first one whose content is to be looked at. */
function isLeft(at: number, end: number, offset: number, more: boolean, id: number, packet: DecodedPacket): boolean {
  packet.moreFragments = more;
  if (packet.fragmentAt < 0 && at <= end) {
    packet.fragmentAt = at;
    packet.fragmentLength = packet.claimedEnd - at;
    packet.fragmentCaptured = end - at;
    packet.fragmentOffset = offset;
    packet.fragmentMore = more;
    packet.fragmentId = id;
    packet.fragmentProtocol = packet.protocol;
    // What is nested in a fragment is put together after it. Wireshark looks into a first one that it cannot put
    // together, in IPv4 only.
    if (packet.stopAtFragment || (packet.asWireshark && (packet.ipVersion === 6 || packet.claimedEnd === end))) {
      packet.kind = 'fragment';
      return true;
    }
  }
  if (offset === 0) return false;
  packet.kind = 'fragment';
  return true;
}

/**
 * Goes on with a packet that was found to be the last missing fragment: `view` holds the data of the whole datagram, from
 * its start as far as it was captured, `length` is its length on the wire. Does not throw, as {@link decodePacket}.
 */
export function decodeDatagram(protocol: number, view: DataView, length: number, packet: DecodedPacket): void {
  packet.kind = 'ip';
  packet.moreFragments = false;
  packet.fragmented = true;
  packet.fragmentAt = -1;
  packet.view = view;
  packet.headersEnd = 0;
  packet.capturedEnd = view.byteLength;
  transport(protocol, view, 0, view.byteLength, length, packet);
}

function ipv6(view: DataView, at: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - at < 40 || view.getUint8(at) >> 4 !== 6) return;
  const payload = view.getUint16(at + 4);
  const claimedEnd = payload === 0 ? wireEnd : at + 40 + payload;
  const datagramEnd = Math.min(wireEnd, claimedEnd);
  packet.claimedEnd = claimedEnd;
  packet.kind = 'ip';
  packet.ipVersion = 6;
  packet.ipId = 0;
  packet.moreFragments = false;
  packet.ttl = view.getUint8(at + 7);
  packet.source0 = view.getInt32(at + 8);
  packet.source1 = view.getInt32(at + 12);
  packet.source2 = view.getInt32(at + 16);
  packet.source3 = view.getInt32(at + 20);
  packet.destination0 = view.getInt32(at + 24);
  packet.destination1 = view.getInt32(at + 28);
  packet.destination2 = view.getInt32(at + 32);
  packet.destination3 = view.getInt32(at + 36);
  packet.protocol = view.getUint8(at + 6);
  packet.headersEnd = at + 40;
  transport(packet.protocol, view, at + 40, Math.min(end, datagramEnd), datagramEnd, packet);
}

/**
 * The chain of protocols after an IP header: extension headers (RFC 8200 4), AH, tunnels, TCP, UDP, ICMP. `end` is
 * where the captured bytes end, `datagramEnd` where the datagram ended on the wire.
 */
function transport(
  first: number,
  view: DataView,
  from: number,
  end: number,
  datagramEnd: number,
  packet: DecodedPacket,
): void {
  let protocol = first;
  let at = from;
  for (;;) {
    packet.protocol = protocol;
    switch (protocol) {
      case 6:
        tcp(view, at, end, datagramEnd, packet);
        return;
      case 17:
        udp(view, at, end, datagramEnd, packet);
        return;
      case 1:
        icmp(view, at, end, packet);
        return;
      case 58:
        icmpv6(view, at, end, packet);
        return;
      case 4:
        tunnelled('ipip', packet);
        if (packet.tunnelDepth <= maxDepth) ipv4(view, at, end, datagramEnd, packet);
        return;
      case 41:
        tunnelled('ipv6', packet);
        if (packet.tunnelDepth <= maxDepth) ipv6(view, at, end, datagramEnd, packet);
        return;
      case 47:
        gre(view, at, end, datagramEnd, packet);
        return;
      case 97:
        // EtherIP (RFC 3378): version nibble 3 and 12 reserved bits.
        tunnelled('etherip', packet);
        if (packet.tunnelDepth <= maxDepth) ethernet(view, at + 2, end, datagramEnd, packet);
        return;
      case 137:
        mpls(view, at, end, datagramEnd, packet);
        return;
      case 108:
        compressed(view, at, end, packet);
        return;
      case 51:
        if (end - at < 12) return;
        protocol = view.getUint8(at);
        at += (view.getUint8(at + 1) + 2) * 4;
        break;
      case 0:
      case 43:
      case 60:
      case 135:
      case 139:
      case 140:
        if (end - at < 8) return;
        protocol = view.getUint8(at);
        at += (view.getUint8(at + 1) + 1) * 8;
        break;
      case 44: {
        if (end - at < 8) return;
        const fragment = view.getUint16(at + 2);
        const id = view.getUint32(at + 4);
        packet.ipId = id & 0xffff;
        protocol = view.getUint8(at);
        at += 8;
        packet.protocol = protocol;
        packet.headersEnd = Math.min(end, at);
        const offset = fragment & 0xfff8;
        // A fragment that is the whole datagram (RFC 6946) is none.
        const more = (fragment & 1) !== 0;
        if ((offset !== 0 || more) && isLeft(at, end, offset, more, id, packet)) return;
        break;
      }
      default:
        return;
    }
    if (at > end) return;
    packet.headersEnd = at;
  }
}

/** IPComp (RFC 3173) with DEFLATE (RFC 2394): the other algorithms are not told apart from damage. */
function compressed(view: DataView, at: number, end: number, packet: DecodedPacket): void {
  if (!packet.inflate || end - at < 6) return;
  const protocol = view.getUint8(at);
  tunnelled('ipcomp', packet);
  if (packet.tunnelDepth > maxDepth) return;
  const bytes = inflate(view, at + 4, end, 65_535);
  if (bytes.length === 0) return;
  const inner = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  packet.view = inner;
  packet.headersEnd = 0;
  packet.capturedEnd = bytes.length;
  transport(protocol, inner, 0, bytes.length, bytes.length, packet);
}

function tcp(view: DataView, at: number, end: number, datagramEnd: number, packet: DecodedPacket): void {
  packet.capturedEnd = end;
  if (end - at < 4) return;
  packet.kind = 'tcpShort';
  packet.sourcePort = view.getUint16(at);
  packet.destinationPort = view.getUint16(at + 2);
  packet.headersEnd = Math.min(end, at + 20);
  if (end - at < 20) return;
  const headerLength = (view.getUint8(at + 12) >> 4) * 4;
  if (headerLength < 20) return;
  packet.kind = 'tcp';
  packet.sequence = view.getInt32(at + 4);
  packet.acknowledgement = view.getInt32(at + 8);
  packet.flags = view.getUint8(at + 13);
  packet.window = view.getUint16(at + 14);
  packet.payloadLength = packet.moreFragments || datagramEnd - at < headerLength ? -1 : datagramEnd - at - headerLength;
  packet.mss = -1;
  packet.windowScale = -1;
  packet.sackPermitted = false;
  packet.hasTimestamps = false;
  packet.sackBlocks = 0;
  packet.fastOpenCookie = false;
  packet.mptcpSubtypes = 0;
  const optionsEnd = Math.min(end, at + headerLength);
  packet.headersEnd = optionsEnd;
  if (headerLength === 20) return;
  // Nearly every segment of a Linux host has exactly NOP NOP timestamps.
  if (headerLength === 32 && optionsEnd - at === 32 && view.getUint32(at + 20) === 0x0101080a) {
    packet.hasTimestamps = true;
    packet.tsval = view.getInt32(at + 24);
    packet.tsecr = view.getInt32(at + 28);
    return;
  }
  tcpOptions(view, at + 20, optionsEnd, packet);
}

/** RFC 9293 3.1 (MSS), RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 7413, RFC 8684. */
function tcpOptions(view: DataView, from: number, end: number, packet: DecodedPacket): void {
  let at = from;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === 0) return;
    if (kind === 1) {
      at++;
      continue;
    }
    if (end - at < 2) return;
    const length = view.getUint8(at + 1);
    if (length < 2 || at + length > end) return;
    switch (kind) {
      case 2:
        if (length === 4) packet.mss = view.getUint16(at + 2);
        break;
      case 3:
        if (length === 3) packet.windowScale = view.getUint8(at + 2);
        break;
      case 4:
        packet.sackPermitted = true;
        break;
      case 5: {
        const blocks = Math.min(4, (length - 2) >> 3);
        for (let i = 0; i < blocks * 2; i++) packet.sackEdges[i] = view.getInt32(at + 2 + i * 4);
        packet.sackBlocks = blocks;
        break;
      }
      case 8:
        if (length === 10) {
          packet.hasTimestamps = true;
          packet.tsval = view.getInt32(at + 2);
          packet.tsecr = view.getInt32(at + 6);
        }
        break;
      case 30:
        if (length >= 3) packet.mptcpSubtypes |= 1 << (view.getUint8(at + 2) >> 4);
        break;
      case 34:
        if (length > 2) packet.fastOpenCookie = true;
        break;
      case 254:
        if (length > 4 && view.getUint16(at + 2) === 0xf989) packet.fastOpenCookie = true;
        break;
      default:
    }
    at += length;
  }
}

function udp(view: DataView, at: number, end: number, datagramEnd: number, packet: DecodedPacket): void {
  packet.capturedEnd = end;
  if (end - at < 4) return;
  packet.kind = 'udp';
  const source = view.getUint16(at);
  const destination = view.getUint16(at + 2);
  packet.sourcePort = source;
  packet.destinationPort = destination;
  packet.headersEnd = Math.min(end, at + 8);
  if (end - at < 16) return;
  const body = at + 8;
  const udpLength = view.getUint16(at + 4);
  // 0 is BIG TCP in a tunnel: the datagram's length stands for it. Wireshark takes it for damage.
  if (udpLength < 8 && packet.asWireshark) return;
  const udpEnd = udpLength >= 8 ? Math.min(datagramEnd, at + udpLength) : datagramEnd;
  const captured = Math.min(end, udpEnd);
  packet.capturedEnd = captured;
  if (captured - body < 8) return;
  const port = tunnelPorts.has(destination) ? destination : source;
  switch (port) {
    case 8472:
      // Only Linux' old default, before there was a number (RFC 7348 5 wants the I flag): be sure.
      if (packet.asWireshark || (view.getUint8(body) & 0x08) === 0) return;
      vxlan(view, body, captured, udpEnd, packet);
      return;
    case 4789:
      vxlan(view, body, captured, udpEnd, packet);
      return;
    case 4790:
      packet.headersEnd = body + 8;
      tunnelled('vxlan-gpe', packet);
      packet.tunnelId = view.getUint32(body + 4) >>> 8;
      genericPayload(view.getUint8(body + 3), view, body + 8, captured, udpEnd, packet);
      return;
    case 6081: {
      const first = view.getUint8(body);
      if (first >> 6 !== 0 && !packet.asWireshark) return;
      const inner = body + 8 + (first & 0x3f) * 4;
      if (inner > captured) return;
      packet.headersEnd = inner;
      tunnelled('geneve', packet);
      packet.tunnelId = view.getUint32(body + 4) >>> 8;
      const protocol = view.getUint16(body + 2);
      // Bridged frames are what Geneve carries: not one more tunnel.
      if (packet.tunnelDepth > maxDepth) return;
      if (protocol === 0x6558) ethernet(view, inner, captured, udpEnd, packet);
      else etherType(protocol, view, inner, captured, udpEnd, packet);
      return;
    }
    case 2152:
      gtpu(view, body, captured, udpEnd, packet);
      return;
    case 1701:
      l2tp(view, body, captured, udpEnd, packet);
      return;
    case 3544:
      teredo(view, body, captured, udpEnd, packet);
      return;
    case 4341:
      packet.headersEnd = body + 8;
      tunnelled('lisp', packet);
      if (packet.tunnelDepth <= maxDepth) rawIp(view, body + 8, captured, udpEnd, packet);
      return;
    case 6635:
      mpls(view, body, captured, udpEnd, packet);
      return;
    case 6343:
      if (packet.asWireshark) sampledHeaders(view, body, captured, packet);
      return;
    default:
  }
}

const tunnelPorts: ReadonlySet<number> = new Set([1701, 2152, 3544, 4341, 4789, 4790, 6081, 6343, 6635, 8472]);

function vxlan(view: DataView, body: number, captured: number, udpEnd: number, packet: DecodedPacket): void {
  packet.headersEnd = body + 8;
  tunnelled('vxlan', packet);
  packet.tunnelId = view.getUint32(body + 4) >>> 8;
  if (packet.tunnelDepth <= maxDepth) ethernet(view, body + 8, captured, udpEnd, packet);
}

/** L2TP version 2 data messages (RFC 2661 3.1) carry PPP. */
function l2tp(view: DataView, body: number, captured: number, udpEnd: number, packet: DecodedPacket): void {
  const flags = view.getUint16(body);
  if ((flags & 0x800f) !== 2) return;
  const hasLength = (flags & 0x4000) !== 0;
  const messageEnd = hasLength ? Math.min(udpEnd, body + view.getUint16(body + 2)) : udpEnd;
  let at = body + 2 + (hasLength ? 2 : 0);
  const session = view.getUint32(at);
  at += 4 + ((flags & 0x0800) === 0 ? 0 : 4);
  if ((flags & 0x0200) !== 0) {
    if (captured - at < 2) return;
    at += 2 + view.getUint16(at);
  }
  if (at > captured || at > messageEnd) return;
  ppp(view, at, Math.min(captured, messageEnd), messageEnd, packet);
  if (packet.tunnel !== 'ppp') return;
  packet.tunnel = 'l2tp';
  packet.tunnelId = session;
}

/** Teredo (RFC 4380 5.1.1): authentication and origin may stand before the IPv6 packet. */
function teredo(view: DataView, body: number, captured: number, udpEnd: number, packet: DecodedPacket): void {
  let at = body;
  if (view.getUint16(at) === 1) at += 13 + view.getUint8(at + 2) + view.getUint8(at + 3);
  if (captured - at >= 8 && view.getUint16(at) === 0) at += 8;
  if (captured - at < 40 || view.getUint8(at) >> 4 !== 6) return;
  packet.headersEnd = at;
  tunnelled('teredo', packet);
  if (packet.tunnelDepth <= maxDepth) ipv6(view, at, captured, udpEnd, packet);
}

/**
 * Headers of packets that a switch sampled (sFlow version 5, https://sflow.org/sflow_version_5.txt). They were not seen
 * here, and most of their connection was not sampled: only Wireshark shows them as packets, and does not analyse them.
 */
function sampledHeaders(view: DataView, body: number, end: number, packet: DecodedPacket): void {
  if (end - body < 8 || view.getUint32(body) !== 5) return;
  let at = body + (view.getUint32(body + 4) === 2 ? 24 : 12) + 16;
  for (let samples = 0; samples < 64 && end - at >= 8; samples++) {
    const format = view.getUint32(at);
    const next = Math.min(end, at + 8 + view.getUint32(at + 4));
    let record = at + 8 + (format === 1 ? 32 : 44);
    at = next;
    if (format !== 1 && format !== 3) continue;
    while (next - record >= 24) {
      const size = view.getUint32(record + 4);
      if (view.getUint32(record) === 1) {
        const header = record + 24;
        const headerEnd = Math.min(next, header + view.getUint32(record + 20));
        const protocol = view.getUint32(record + 8);
        const depth = packet.tunnelDepth;
        if (depth >= maxDepth) return;
        tunnelled('sflow', packet);
        const wireEnd = header + view.getUint32(record + 12);
        if (protocol === 1) ethernet(view, header, headerEnd, wireEnd, packet);
        else if (protocol === 11 || protocol === 12) rawIp(view, header, headerEnd, wireEnd, packet);
        if (packet.kind === 'tcp') packet.kind = 'tcpShort';
        if (packet.kind === 'tcpShort') return;
        packet.tunnelDepth = depth;
      }
      record += 8 + size;
    }
  }
}

/** GTP-U G-PDU (3GPP TS 29.281). */
function gtpu(view: DataView, from: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  const flags = view.getUint8(from);
  if (flags >> 5 !== 1 || (flags & 0x10) === 0 || view.getUint8(from + 1) !== 255) return;
  let at = from + 8;
  if ((flags & 7) !== 0) {
    if (end - at < 4) return;
    let next = (flags & 4) === 0 ? 0 : view.getUint8(at + 3);
    at += 4;
    while (next !== 0) {
      if (end - at < 4) return;
      const size = view.getUint8(at) * 4;
      if (size === 0 || end - at < size) return;
      next = view.getUint8(at + size - 1);
      at += size;
    }
  }
  packet.headersEnd = at;
  tunnelled('gtp-u', packet);
  packet.tunnelId = view.getUint32(from + 4);
  if (packet.tunnelDepth <= maxDepth) rawIp(view, at, end, wireEnd, packet);
}

/** GRE (RFC 2784, RFC 2890), its version 1 for PPTP (RFC 2637), and MikroTik's EoIP on that (protocol 6400). */
function gre(view: DataView, from: number, end: number, wireEnd: number, packet: DecodedPacket): void {
  if (end - from < 4) return;
  const flags = view.getUint16(from);
  const protocol = view.getUint16(from + 2);
  const version = flags & 7;
  if (version > 1) return;
  let at = from + 4;
  if ((flags & 0xc000) !== 0) at += 4;
  const keyAt = (flags & 0x2000) !== 0 ? at : -1;
  if (keyAt >= 0) at += 4;
  const hasSequence = (flags & 0x1000) !== 0;
  if (hasSequence) at += 4;
  if (version === 1 && (flags & 0x0080) !== 0) at += 4;
  // ERSPAN puts its own header before the frame: 8 bytes in type II, none in type I (no sequence number).
  if (protocol === 0x88be && hasSequence) at += 8;
  if (protocol === 0x22eb) at += 12;
  if (at > end) return;
  packet.headersEnd = at;
  tunnelled('gre', packet);
  // In version 1 the first half is the payload's length, the second the call (RFC 2637 4.1).
  if (keyAt >= 0) packet.tunnelId = version === 1 ? view.getUint16(keyAt + 2) : view.getUint32(keyAt);
  if (packet.tunnelDepth > maxDepth) return;
  if (protocol === 0x883e) {
    // WCCP: version 2 puts a 4-byte redirect header before the IP packet (draft-mclaggan-wccp-v2rev1).
    if (end - at < 1) return;
    ipv4(view, view.getUint8(at) >> 4 === 4 ? at : at + 4, end, wireEnd, packet);
  } else if (protocol === 0x88be || protocol === 0x22eb || (version === 1 && protocol === 0x6400))
    ethernet(view, at, end, wireEnd, packet);
  else if (protocol === 0x6558) ethernet(view, at, end, wireEnd, packet);
  else if (protocol === 0x880b) ppp(view, at, end, wireEnd, packet);
  else etherType(protocol, view, at, end, wireEnd, packet);
}

function icmp(view: DataView, at: number, end: number, packet: DecodedPacket): void {
  packet.capturedEnd = end;
  if (end - at < 8) return;
  packet.kind = 'icmp';
  const type = view.getUint8(at);
  packet.icmpType = type;
  packet.icmpCode = view.getUint8(at + 1);
  packet.headersEnd = at + 8;
  // RFC 792: unreachable, source quench, time exceeded, parameter problem. A redirect is advice, not an error.
  if (type !== 3 && type !== 4 && type !== 11 && type !== 12) return;
  packet.kind = 'icmpError';
  packet.icmpMtu = type === 3 && packet.icmpCode === 4 ? view.getUint16(at + 6) : 0;
  embedded(view, at + 8, end, packet);
}

function icmpv6(view: DataView, at: number, end: number, packet: DecodedPacket): void {
  packet.capturedEnd = end;
  if (end - at < 8) return;
  packet.kind = 'icmp';
  const type = view.getUint8(at);
  packet.icmpType = type;
  packet.icmpCode = view.getUint8(at + 1);
  // Router and neighbour discovery has no payload of anybody: the target address stays in reach.
  packet.headersEnd = type >= 133 && type <= 137 ? Math.min(end, at + 32) : at + 8;
  // RFC 4443: types below 128 are errors.
  if (type < 1 || type > 4) return;
  packet.kind = 'icmpError';
  packet.icmpMtu = type === 2 ? view.getUint32(at + 4) : 0;
  embedded(view, at + 8, end, packet);
}

/**
 * The packet that an ICMP error returns: IP header and at least 8 bytes (RFC 792, RFC 1812 4.3.2.3, RFC 4443 2.4). Where
 * it is a tunnel's and enough of it is there, the packet in the tunnel: that is the one somebody waits for.
 */
function embedded(view: DataView, from: number, end: number, packet: DecodedPacket): void {
  packet.innerVersion = 0;
  packet.innerProtocol = 0;
  packet.innerSourcePort = -1;
  packet.innerDestinationPort = -1;
  packet.hasInnerSequence = false;
  packet.innerTunnel = '';
  let at = from;
  for (let depth = 0; depth < 4; depth++) {
    const next = embeddedIp(view, at, end, packet);
    if (next < 0) return;
    embeddedPorts(view, next, end, packet);
    at = embeddedTunnel(view, next, end, packet);
    if (at < 0) return;
  }
}

/** Fills the `inner…` addresses if they are whole; returns where the transport header begins, -1: nowhere. */
function embeddedIp(view: DataView, at: number, end: number, packet: DecodedPacket): number {
  if (end - at < 20) return -1;
  const version = view.getUint8(at) >> 4;
  if (version === 4) {
    const headerLength = (view.getUint8(at) & 0x0f) * 4;
    if (headerLength < 20) return -1;
    packet.innerVersion = 4;
    packet.innerSource0 = 0;
    packet.innerSource1 = 0;
    packet.innerSource2 = 0;
    packet.innerSource3 = view.getInt32(at + 12);
    packet.innerDestination0 = 0;
    packet.innerDestination1 = 0;
    packet.innerDestination2 = 0;
    packet.innerDestination3 = view.getInt32(at + 16);
    packet.innerProtocol = view.getUint8(at + 9);
    packet.headersEnd = Math.min(end, at + headerLength);
    return (view.getUint16(at + 6) & 0x1fff) === 0 ? at + headerLength : -1;
  }
  if (version !== 6 || end - at < 40) return -1;
  packet.innerVersion = 6;
  packet.innerSource0 = view.getInt32(at + 8);
  packet.innerSource1 = view.getInt32(at + 12);
  packet.innerSource2 = view.getInt32(at + 16);
  packet.innerSource3 = view.getInt32(at + 20);
  packet.innerDestination0 = view.getInt32(at + 24);
  packet.innerDestination1 = view.getInt32(at + 28);
  packet.innerDestination2 = view.getInt32(at + 32);
  packet.innerDestination3 = view.getInt32(at + 36);
  let protocol = view.getUint8(at + 6);
  let next = at + 40;
  let first = true;
  while ((protocol === 0 || protocol === 43 || protocol === 44 || protocol === 60) && end - next >= 8) {
    const size = protocol === 44 ? 8 : (view.getUint8(next + 1) + 1) * 8;
    if (protocol === 44) first = (view.getUint16(next + 2) & 0xfff8) === 0;
    protocol = view.getUint8(next);
    next += size;
  }
  packet.innerProtocol = protocol;
  packet.headersEnd = Math.min(end, next);
  return first ? next : -1;
}

function embeddedPorts(view: DataView, at: number, end: number, packet: DecodedPacket): void {
  const protocol = packet.innerProtocol;
  packet.innerSourcePort = -1;
  packet.innerDestinationPort = -1;
  packet.hasInnerSequence = false;
  if (end - at < 4 || (protocol !== 6 && protocol !== 17)) return;
  packet.innerSourcePort = view.getUint16(at);
  packet.innerDestinationPort = view.getUint16(at + 2);
  packet.headersEnd = Math.min(end, at + (protocol === 6 ? 20 : 8));
  if (protocol === 6 && end - at >= 8) {
    packet.hasInnerSequence = true;
    packet.innerSequence = view.getInt32(at + 4);
  }
}

/** Where the IP header in the embedded packet's tunnel begins, if it is a tunnel and the addresses are there; else -1. */
function embeddedTunnel(view: DataView, at: number, end: number, packet: DecodedPacket): number {
  let inner = -1;
  let name = 'ipip';
  switch (packet.innerProtocol) {
    case 4:
    case 41:
      inner = at;
      break;
    case 47: {
      if (end - at < 4) return -1;
      const flags = view.getUint16(at);
      if ((flags & 7) !== 0) return -1;
      const body =
        at + 4 + ((flags & 0xc000) === 0 ? 0 : 4) + ((flags & 0x2000) === 0 ? 0 : 4) + ((flags & 0x1000) === 0 ? 0 : 4);
      name = 'gre';
      const type = view.getUint16(at + 2);
      if (type === 0x6558) inner = embeddedFrame(view, body, end);
      else if (type === 0x0800 || type === 0x86dd) inner = body;
      break;
    }
    case 17: {
      if (end - at < 16) return -1;
      const port = packet.innerDestinationPort;
      if (port === 4789 || (port === 8472 && (view.getUint8(at + 8) & 0x08) !== 0)) {
        name = 'vxlan';
        inner = embeddedFrame(view, at + 16, end);
      } else if (port === 6081 && view.getUint8(at + 8) >> 6 === 0) {
        name = 'geneve';
        const body = at + 16 + (view.getUint8(at + 8) & 0x3f) * 4;
        const type = view.getUint16(at + 10);
        if (type === 0x6558) inner = embeddedFrame(view, body, end);
        else if (type === 0x0800 || type === 0x86dd) inner = body;
      }
      break;
    }
    default:
  }
  if (inner < 0 || end - inner < 20) return -1;
  const version = view.getUint8(inner) >> 4;
  if (version !== 4 && (version !== 6 || end - inner < 40)) return -1;
  packet.innerTunnel = name;
  return inner;
}

/** Where the IP header of an Ethernet frame begins; -1: it has none. */
function embeddedFrame(view: DataView, from: number, end: number): number {
  let at = from + 12;
  while (end - at >= 2) {
    const type = view.getUint16(at);
    if (type === 0x0800 || type === 0x86dd) return at + 2;
    if (type !== 0x8100 && type !== 0x88a8) return -1;
    at += 4;
  }
  return -1;
}
