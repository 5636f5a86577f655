import { flagAck, flagCwr, flagEce, flagFin, flagPush, flagRst, flagSyn, flagUrg } from './decode-packet.ts';

/** In the order in which people say them: SYN,ACK and PSH,ACK, not ACK,SYN. */
const flagOrder: readonly (readonly [number, string])[] = [
  [flagSyn, 'SYN'],
  [flagFin, 'FIN'],
  [flagRst, 'RST'],
  [flagPush, 'PSH'],
  [flagAck, 'ACK'],
  [flagUrg, 'URG'],
  [flagEce, 'ECE'],
  [flagCwr, 'CWR'],
];
const texts: readonly string[] = Array.from({ length: 256 }, (_, bits) =>
  flagOrder
    .filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join(','),
);

/** `SYN`, `SYN,ACK`, `PSH,ACK` … of the flag byte of a TCP header (RFC 9293 3.1); empty where none is set. */
export function tcpFlagText(bits: number): string {
  return texts[bits & 255] ?? '';
}
