import type { Capture, Connection, ParseProblem } from '../model/facts.ts';
import type { ConversationPacket } from '../model/packet-facts.ts';
import { addressText } from './address-text.ts';
import { createCaptureAnalyser } from './analyse-capture.ts';
import type { DecodedPacket } from './decode-packet.ts';
import { PacketLog } from './packet-log.ts';
import { type FlagMode, flagNames } from './tcp-flags.ts';
import { tcpFlagText } from './tcp-flag-text.ts';

/** One TCP packet, for `netcheck pcap --packets`. */
export interface TcpPacketLine {
  /** Number of the packet in the file, as Wireshark counts. */
  readonly frame: number;
  /** Milliseconds since the epoch, with fractions. */
  readonly atMs: number;
  /** `192.0.2.1:80`, `[2001:db8::1]:80` */
  readonly src: string;
  readonly dst: string;
  /** `SYN`, `SYN,ACK`, `PSH,ACK` …; empty where no flag is set, `?` where the header was cut before the flags. */
  readonly flagsText: string;
  /** Sequence number as on the wire. */
  readonly seq: number;
  /** TCP payload on the wire, bytes; -1 where it cannot be known (first fragment of a datagram, cut header). */
  readonly len: number;
  /** Wireshark's verdicts without `tcp.analysis.`: `retransmission`, `duplicate_ack` … */
  readonly analysis: readonly string[];
}

export interface PcapSessionOptions {
  /** `netcheck pcap --as wireshark`, or our own rules. */
  readonly mode: FlagMode;
  /** Whether the two that follow are to be called. */
  readonly packets: boolean;
  /** Called for every TCP packet. Its texts cost about as much as the rest of the analysis. */
  readonly onTcpPacket?: (line: TcpPacketLine) => void;
  /** Called for every TCP packet with its number and {@link TcpPacketLine.analysis} only. */
  readonly onVerdicts?: (frame: number, analysis: readonly string[]) => void;
  /** What `at.evidence` is to say: the file's name; default `capture`. */
  readonly evidence?: string;
  /** Connections kept at once; default 200 000. */
  readonly maxConnections?: number;
  /**
   * Connections in {@link Capture.connections}; default 2000. Those come first that something happened to; the others
   * are only counted ({@link Capture.uneventful}).
   */
  readonly maxFacts?: number;
  /** Addresses whose connections are let go last of all when there are too many. */
  readonly keep?: readonly string[];
  /** Keeps this many packets for {@link PcapSession.packetsOf}: of all connections, or `only` of the one with a number. */
  readonly log?: { readonly maxPackets: number; readonly only?: number };
}

export interface PcapSession {
  /** Takes the next bytes of the file (already unpacked, where it was gzip). Never throws because of them. */
  push(chunk: Uint8Array): void;
  /** What is known so far, for progress. */
  snapshot(): Capture;
  finish(): { readonly capture: Capture; readonly problems: readonly ParseProblem[] };
  /** All connections that are kept, in order of their numbers; each fact is made when it is asked for. */
  connections(): IterableIterator<Connection>;
  /** Packets of one connection, where they are kept. */
  packetsOf(number: number): readonly ConversationPacket[];
}

/** Analyses one capture file for the command line. The bytes are read, and unpacked, by the caller. */
export function createPcapSession(options: PcapSessionOptions): PcapSession {
  const { onTcpPacket, onVerdicts } = options;
  const analyser = createCaptureAnalyser({
    evidence: options.evidence ?? 'capture',
    maxConnections: options.maxConnections ?? 200_000,
    maxFacts: options.maxFacts ?? 2000,
    ...(options.log === undefined ? {} : { log: new PacketLog(options.log) }),
    ...(options.keep === undefined ? {} : { keep: options.keep }),
    mode: options.mode,
    ...(options.packets
      ? {
          onTcpPacket: (packet, frame, atMs, verdicts) => {
            onTcpPacket?.(lineOf(packet, frame, atMs, verdicts));
            onVerdicts?.(frame, flagNames(verdicts));
          },
        }
      : {}),
  });
  return {
    push: (chunk) => {
      analyser.push(chunk);
    },
    snapshot: () => analyser.snapshot(),
    finish: () => {
      const capture = analyser.finish();
      return { capture, problems: capture.problems };
    },
    connections: () => analyser.connections(),
    packetsOf: (number) => analyser.packetsOf(number),
  };
}

function lineOf(packet: DecodedPacket, frame: number, atMs: number, verdicts: number): TcpPacketLine {
  const whole = packet.kind === 'tcp';
  return {
    frame,
    atMs,
    src: endpointText(
      packet.ipVersion,
      addressText(packet.ipVersion, packet.source0, packet.source1, packet.source2, packet.source3),
      packet.sourcePort,
    ),
    dst: endpointText(
      packet.ipVersion,
      addressText(packet.ipVersion, packet.destination0, packet.destination1, packet.destination2, packet.destination3),
      packet.destinationPort,
    ),
    flagsText: whole ? tcpFlagText(packet.flags) : '?',
    seq: whole ? packet.sequence >>> 0 : 0,
    len: whole ? packet.payloadLength : -1,
    analysis: flagNames(verdicts),
  };
}

function endpointText(version: 0 | 4 | 6, address: string, port: number): string {
  return version === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
