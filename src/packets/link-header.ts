/** What {@link passLinkHeader} found: where the payload begins and what it is. */
export interface LinkPayload {
  at: number;
  /** An EtherType, or one of the kinds below. */
  type: number;
}

export const payloadUnknown = -1;
export const payloadRawIp = -2;
export const payloadEthernet = -3;
export const payloadLlc = -4;
export const payloadPpp = -5;

/** A header may say that another link type follows; this often. */
const maxNested = 4;

/**
 * Passes the header of the less common link types: 802.11 (with radiotap, PPI, Prism or AVS), token ring, FDDI, frame
 * relay, ATM, Cisco HDLC, PFLOG, NFLOG, ERF, PKTAP, PPP with a direction, Juniper's, switch tags …
 * (https://www.tcpdump.org/linktypes.html). Reads only within [start, end).
 *
 * @returns whether the link type is known; `found.type` is {@link payloadUnknown} where there is nothing to look into
 */
export function passLinkHeader(
  linkType: number,
  view: DataView,
  start: number,
  end: number,
  found: LinkPayload,
): boolean {
  let type = linkType;
  found.at = start;
  found.type = payloadUnknown;
  for (let nested = 0; nested < maxNested; nested++) {
    const next = pass(type, view, found.at, end, found);
    if (next < 0) return nested > 0 || next === done;
    type = next;
  }
  return true;
}

const done = -1;
const notKnown = -2;

/** Returns {@link done}, {@link notKnown}, or the link type that follows at `found.at`. */
function pass(linkType: number, view: DataView, at: number, end: number, found: LinkPayload): number {
  const there = (bytes: number): boolean => end - at >= bytes;
  const is = (type: number, header: number): number => {
    if (end - at >= header) {
      found.at = at + header;
      found.type = type;
    }
    return done;
  };
  switch (linkType) {
    case 1:
      return is(payloadEthernet, 0);
    case 0:
    case 108: // Inside another header only; the family is in the IP header as well
      return is(payloadRawIp, 4);
    case 12:
    case 14:
    case 101:
      return is(payloadRawIp, 0);
    case 6: {
      // Token ring: LLC frames only; source routing where the first bit of the source address is set.
      if (!there(2) || (view.getUint8(at + 1) & 0xc0) !== 0x40) return done;
      const routed = there(15) && (view.getUint8(at + 8) & 0x80) !== 0;
      return is(payloadLlc, 14 + (routed ? view.getUint8(at + 14) & 0x1f : 0));
    }
    case 10:
      return is(payloadLlc, 13);
    case 100: // ATM, RFC 2684 LLC
      return is(payloadLlc, 0);
    case 104:
    case 205: {
      const header = linkType === 205 ? 5 : 4;
      return there(header) ? is(view.getUint16(at + header - 2), header) : done;
    }
    case 105:
      return wireless(view, at, end, 1, found);
    case 107:
      return frameRelay(view, at, end, found);
    case 206:
      return frameRelay(view, at + 1, end, found);
    case 109: // OpenBSD enc
      return is(payloadRawIp, 12);
    case 117: // PFLOG: its length, padded to 4 bytes
      return there(1) ? is(payloadRawIp, (view.getUint8(at) + 3) & ~3) : done;
    case 119: {
      // Prism; drivers also put AVS headers here.
      if (!there(4)) return done;
      found.at = at + (view.getUint32(at) === 0x8021_1001 && there(8) ? view.getUint32(at + 4) : 144);
      return found.at < end ? 105 : done;
    }
    case 122: // IP over fibre channel
      return is(payloadLlc, 16);
    case 123: // SunATM; the low nibble says LLC
      return there(1) && (view.getUint8(at) & 0x0f) === 2 ? is(payloadLlc, 4) : done;
    case 127:
      return radiotap(view, at, end, found);
    case 138: // Apple IP over IEEE 1394
      return there(18) ? is(view.getUint16(at + 16), 18) : done;
    case 163:
      if (!there(8)) return done;
      found.at = at + view.getUint32(at + 4);
      return found.at < end ? 105 : done;
    case 166: // pppd: direction in place of the address
      return is(payloadPpp, 2);
    case 204:
      return is(payloadPpp, 1);
    case 192:
      if (!there(8)) return done;
      found.at = at + view.getUint16(at + 2, true);
      return found.at < end ? view.getUint32(at + 4, true) : done;
    case 197:
      return extensibleRecord(view, at, end, found);
    case 219:
      return is(0x8847, 0);
    case 239:
      return nflog(view, at, end, found);
    case 258: {
      // PKTAP of macOS: header length, next record type, link type.
      if (!there(12) || view.getUint32(at + 4, true) !== 1) return done;
      const header = view.getUint32(at, true);
      found.at = at + header;
      return header >= 12 && found.at < end ? view.getUint32(at + 8, true) : done;
    }
    case 281: // Broadcom switch tag after the addresses
      return there(18) ? is(view.getUint16(at + 16), 18) : done;
    case 282:
      return is(payloadEthernet, 4);
    case 284: // Marvell switch tag, and with its own EtherType
      return there(18) ? is(view.getUint16(at + 16), 18) : done;
    case 285:
      return there(22) ? is(view.getUint16(at + 20), 22) : done;
    default:
      return juniperTypes.has(linkType) ? juniper(linkType, view, at, end, found) : notKnown;
  }
}

/** IEEE 802.11 9.2: data frames that are not encrypted lead to LLC. */
function wireless(view: DataView, at: number, end: number, align: 1 | 4, found: LinkPayload): number {
  if (end - at < 24) return done;
  const control = view.getUint8(at);
  const flags = view.getUint8(at + 1);
  // Type 2 is data; the third bit of its subtype says that there is none.
  if ((control & 0x0c) !== 0x08 || (control & 0x40) !== 0 || (flags & 0x40) !== 0) return done;
  let header = 24;
  if ((flags & 3) === 3) header += 6;
  let aggregated = false;
  if ((control & 0x80) !== 0) {
    if (end - at < header + 2) return done;
    aggregated = (view.getUint8(at + header) & 0x80) !== 0;
    header += 2;
    if ((flags & 0x80) !== 0) header += 4;
  }
  header = Math.ceil(header / align) * align + (aggregated ? 14 : 0);
  if (end - at < header) return done;
  found.at = at + header;
  found.type = payloadLlc;
  return done;
}

/** https://www.radiotap.org: fields of the first bits are needed to find the padding flag. */
function radiotap(view: DataView, at: number, end: number, found: LinkPayload): number {
  if (end - at < 8) return done;
  const length = view.getUint16(at + 2, true);
  if (length < 8 || end - at < length) return done;
  const present = view.getUint32(at + 4, true);
  let field = at + 8;
  let word = present;
  while (word >= 0x8000_0000 && field + 4 <= at + length) {
    word = view.getUint32(field, true);
    field += 4;
  }
  if ((present & 1) !== 0) field = at + ((field - at + 7) & ~7) + 8;
  const padded = (present & 2) !== 0 && field < at + length && (view.getUint8(field) & 0x20) !== 0;
  return wireless(view, at + length, end, padded ? 4 : 1, found);
}

/** Q.922 address, then RFC 2427; or Cisco's, with an EtherType. */
function frameRelay(view: DataView, from: number, end: number, found: LinkPayload): number {
  let at = from;
  // The lowest bit marks the last byte of the address.
  for (let bytes = 0; ; bytes++) {
    if (at >= end || bytes > 3) return done;
    at++;
    if ((view.getUint8(at - 1) & 1) !== 0) break;
  }
  if (end - at < 2) return done;
  if (view.getUint8(at) !== 3) {
    found.type = view.getUint16(at);
    found.at = at + 2;
    return done;
  }
  at++;
  if (view.getUint8(at) === 0) at++;
  if (at >= end) return done;
  const protocol = view.getUint8(at);
  at++;
  if (protocol === 0xcc || protocol === 0x8e) {
    found.type = payloadRawIp;
    found.at = at;
  } else if (protocol === 0x80 && end - at >= 5) {
    // SNAP; 00-80-C2 with 1 or 7 is bridged Ethernet.
    const organisation = view.getUint32(at) >>> 8;
    const type = view.getUint16(at + 3);
    if (organisation === 0) found.type = type;
    else if (organisation === 0x80c2 && (type === 1 || type === 7)) found.type = payloadEthernet;
    found.at = at + 5;
  }
  return done;
}

/** Linux NFLOG: TLVs in the byte order of the machine that captured; type 9 is the packet. */
function nflog(view: DataView, from: number, end: number, found: LinkPayload): number {
  let at = from + 4;
  while (end - at >= 4) {
    let size = view.getUint16(at, true);
    let type = view.getUint16(at + 2, true) & 0x7fff;
    // Types are below 256: in the other byte order they are not.
    if (type > 255) {
      size = view.getUint16(at);
      type = view.getUint16(at + 2) & 0x7fff;
    }
    if (type === 9) {
      found.at = at + 4;
      found.type = payloadRawIp;
      return done;
    }
    if (size < 4) return done;
    at += (size + 3) & ~3;
  }
  return done;
}

/** Endace ERF: 16 bytes, extension headers of 8 while their first bit is set, then by type. */
function extensibleRecord(view: DataView, from: number, end: number, found: LinkPayload): number {
  if (end - from < 16) return done;
  const type = view.getUint8(from + 8);
  let at = from + 16;
  let more = (type & 0x80) !== 0;
  while (more) {
    if (end - at < 8) return done;
    more = (view.getUint8(at) & 0x80) !== 0;
    at += 8;
  }
  const kind = type & 0x7f;
  // Types 2, 11, 16 and 20: Ethernet after two bytes of padding; 22 and 23: IPv4 and IPv6.
  if (kind === 2 || kind === 11 || kind === 16 || kind === 20) {
    found.at = at + 2;
    found.type = payloadEthernet;
  } else if (kind === 22 || kind === 23) {
    found.at = at;
    found.type = payloadRawIp;
  }
  return done;
}

/** MLPPP … VP, and those of the years after (LINKTYPE_JUNIPER_…). */
const juniperTypes: ReadonlySet<number> = new Set([
  130, 131, 132, 133, 134, 135, 136, 137, 164, 167, 168, 178, 179, 180, 181, 183, 194, 195, 196, 200, 238, 246,
]);

/** Juniper's header: magic, flags, extensions; then the frame of the interface, or without it a word that names the payload. */
function juniper(linkType: number, view: DataView, from: number, end: number, found: LinkPayload): number {
  if (end - from < 4 || view.getUint32(from) >>> 8 !== 0x4d_4743) return done;
  const flags = view.getUint8(from + 3);
  let at = from + 4;
  if ((flags & 0x80) !== 0) {
    if (end - at < 2) return done;
    at += 2 + view.getUint16(at);
  }
  found.at = at;
  if ((flags & 2) !== 0) {
    if (end - at < 4) return done;
    const payload = view.getUint32(at, true);
    found.at = at + 4;
    if (payload === 2 || payload === 6) found.type = payloadRawIp;
    else if (payload >= 3 && payload <= 8) found.type = 0x8847;
    return done;
  }
  switch (linkType) {
    case 178:
      found.type = payloadEthernet;
      return done;
    case 179:
      found.type = payloadPpp;
      return done;
    case 180:
      return 107;
    case 181:
      return 104;
    default:
      return done;
  }
}
