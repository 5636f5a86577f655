/** Builds DNS messages for tests (RFC 1035 4). Records of answers point back at the question's name. */
export interface DnsOptions {
  readonly id?: number;
  readonly name?: string;
  /** 1 A, 28 AAAA. */
  readonly type?: number;
  /** Instead of one question by name and type. */
  readonly questions?: readonly { readonly name: string; readonly type: number }[];
  readonly answer?: boolean;
  readonly opcode?: number;
  readonly rcode?: number;
  readonly truncated?: boolean;
  /** A and AAAA records. */
  readonly addresses?: readonly string[];
  /** An OPT record (EDNS) with the upper bits of the rcode. */
  readonly edns?: { readonly upperRcode?: number; readonly optionBytes?: number };
}

export function dns(options: DnsOptions = {}): Uint8Array {
  const questions = options.questions ?? [{ name: options.name ?? 'example.com', type: options.type ?? 1 }];
  const addresses = options.addresses ?? [];
  const flags =
    ((options.answer ?? false) ? 0x8080 : 0) |
    ((options.opcode ?? 0) << 11) |
    ((options.truncated ?? false) ? 0x0200 : 0) |
    0x0100 |
    (options.rcode ?? 0);
  const word = (value: number): number[] => [(value >> 8) & 255, value & 255];
  return Uint8Array.from([
    ...word(options.id ?? 1),
    ...word(flags),
    ...word(questions.length),
    ...word(addresses.length),
    0,
    0,
    ...word(options.edns === undefined ? 0 : 1),
    ...questions.flatMap(({ name, type }) => [...nameBytes(name), ...word(type), 0, 1]),
    ...addresses.flatMap((address) => {
      const data = addressBytes(address);
      return [0xc0, 12, ...word(data.length === 4 ? 1 : 28), 0, 1, 0, 0, 0, 60, ...word(data.length), ...data];
    }),
    ...(options.edns === undefined
      ? []
      : [
          0,
          ...word(41),
          ...word(1232),
          options.edns.upperRcode ?? 0,
          0,
          0,
          0,
          ...word(options.edns.optionBytes ?? 0),
          ...new Uint8Array(options.edns.optionBytes ?? 0),
        ]),
  ]);
}

/** Length-prefixed, as over TCP. */
export function overTcp(...messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(messages.flatMap((message) => [message.length >> 8, message.length & 255, ...message]));
}

function nameBytes(name: string): number[] {
  const labels = name === '.' ? [] : name.split('.');
  return [...labels.flatMap((label) => [label.length, ...new TextEncoder().encode(label)]), 0];
}

function addressBytes(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number);
  const [head = '', tail = ''] = address.split('::');
  const groups = (part: string): number[] => part.split(':').flatMap((g) => (g === '' ? [] : [Number.parseInt(g, 16)]));
  const left = groups(head);
  const right = groups(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return all.flatMap((group) => [group >> 8, group & 255]);
}
