import { addressText } from './address-text.ts';

/** What the engine reads of one DNS message (RFC 1035 4). */
export interface DnsMessage {
  readonly id: number;
  /** QR: an answer, not a question. */
  readonly isAnswer: boolean;
  /** 0 is a standard query. */
  readonly opcode: number;
  /** TC */
  readonly truncated: boolean;
  /** `NOERROR`, `NXDOMAIN` …, or `RCODE11`; with the upper bits of an OPT record (RFC 6891 6.1.3) where it was reached. */
  readonly rcode: string;
  /** Those that could be read, at most {@link maxQuestions}. */
  readonly questions: readonly DnsQuestion[];
  /** Questions that the header counts. */
  readonly questionCount: number;
  /** Records that the header counts in the answer section. */
  readonly answers: number;
  /** A and AAAA records of the answer section, at most {@link maxAddresses}. */
  readonly addresses: readonly string[];
}

export interface DnsQuestion {
  /** As in the message, in presentation format without the last dot; the root is `.`. */
  readonly name: string;
  /** `A`, `AAAA` …, or `TYPE65` (RFC 3597 5). */
  readonly type: string;
  /** 1 is IN. */
  readonly class: number;
}

const maxQuestions = 16;
const maxAddresses = 16;
/** Of a name on the wire, length bytes and the root included (RFC 1035 3.1). */
const maxNameBytes = 255;
const headerBytes = 12;

const typeNames: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  12: 'PTR',
  15: 'MX',
  16: 'TXT',
  28: 'AAAA',
  33: 'SRV',
  35: 'NAPTR',
  43: 'DS',
  46: 'RRSIG',
  47: 'NSEC',
  48: 'DNSKEY',
  251: 'IXFR',
  252: 'AXFR',
  255: 'ANY',
  257: 'CAA',
};
const rcodeNames: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  6: 'YXDOMAIN',
  7: 'YXRRSET',
  8: 'NXRRSET',
  9: 'NOTAUTH',
  10: 'NOTZONE',
  16: 'BADVERS',
  23: 'BADCOOKIE',
};
const typeA = 1;
const typeAaaa = 28;
const typeOpt = 41;
const classIn = 1;

/**
 * Reads the DNS message from `start` to `end`. Where it is cut or malformed, what stands before that is used; null
 * where not even its header is there. Never throws, never reads from `end` on.
 */
export function readDnsMessage(view: DataView, start: number, end: number): DnsMessage | null {
  if (end - start < headerBytes) return null;
  const flags = view.getUint16(start + 2);
  const questionCount = view.getUint16(start + 4);
  const answers = view.getUint16(start + 6);
  const records = answers + view.getUint16(start + 8) + view.getUint16(start + 10);
  let rcode = flags & 0x0f;

  const questions: DnsQuestion[] = [];
  let at = start + headerBytes;
  for (let i = 0; i < questionCount && at >= 0; i++) {
    const after = skipName(view, at, end);
    if (after < 0 || end - after < 4) {
      at = -1;
      break;
    }
    if (questions.length < maxQuestions) {
      const name = nameText(view, start, at, end);
      if (name !== null) {
        questions.push({ name, type: typeName(view.getUint16(after)), class: view.getUint16(after + 2) });
      }
    }
    at = after + 4;
  }

  const addresses: string[] = [];
  for (let i = 0; i < records && at >= 0; i++) {
    const after = skipName(view, at, end);
    if (after < 0 || end - after < 10) break;
    const type = view.getUint16(after);
    const length = view.getUint16(after + 8);
    const data = after + 10;
    if (type === typeOpt && i >= answers) rcode |= view.getUint8(after + 4) << 4;
    if (end - data < length) break;
    if (i < answers && addresses.length < maxAddresses && view.getUint16(after + 2) === classIn) {
      if (type === typeA && length === 4) addresses.push(addressText(4, 0, 0, 0, view.getInt32(data)));
      if (type === typeAaaa && length === 16) {
        addresses.push(
          addressText(
            6,
            view.getInt32(data),
            view.getInt32(data + 4),
            view.getInt32(data + 8),
            view.getInt32(data + 12),
          ),
        );
      }
    }
    at = data + length;
  }

  return {
    id: view.getUint16(start),
    isAnswer: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 0x0f,
    truncated: (flags & 0x0200) !== 0,
    rcode: rcodeNames[rcode] ?? `RCODE${rcode}`,
    questions,
    questionCount,
    answers,
    addresses,
  };
}

function typeName(type: number): string {
  return typeNames[type] ?? `TYPE${type}`;
}

/** Where the name at `from` ends in the message; -1 where it is cut or impossible. Pointers are not followed. */
function skipName(view: DataView, from: number, end: number): number {
  let at = from;
  while (at < end && at - from < maxNameBytes) {
    const length = view.getUint8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return end - at < 2 ? -1 : at + 2;
    if (length > 63) return -1;
    at += 1 + length;
  }
  return -1;
}

/**
 * The name at `from` of a message that begins at `start`. A pointer leads to an earlier place than the one it stands
 * for (RFC 1035 4.1.4: "a prior occurrence"), which leaves no room for loops; anything else is no name: null.
 */
function nameText(view: DataView, start: number, from: number, end: number): string | null {
  let text = '';
  let bytes = 1;
  let at = from;
  /** Where the run of labels began that is being read: the next pointer has to lead to before it. */
  let run = from;
  while (at < end) {
    const length = view.getUint8(at);
    if (length === 0) return text === '' ? '.' : text;
    if (length >= 0xc0) {
      if (end - at < 2) return null;
      const to = start + (view.getUint16(at) & 0x3fff);
      if (to >= run || to < start + headerBytes) return null;
      at = to;
      run = to;
      continue;
    }
    bytes += 1 + length;
    if (length > 63 || bytes > maxNameBytes || end - at <= length) return null;
    if (text !== '') text += '.';
    for (let i = at + 1; i <= at + length; i++) text += characterText(view.getUint8(i));
    at += 1 + length;
  }
  return null;
}

/** One byte of a label in presentation format (RFC 1035 5.1): a dot and a backslash are quoted, odd bytes are `\DDD`. */
function characterText(byte: number): string {
  if (byte === 0x2e || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
  if (byte <= 0x20 || byte >= 0x7f) return `\\${String(byte).padStart(3, '0')}`;
  return String.fromCharCode(byte);
}
