import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { ConnectionDetails } from '../../src/packets/connection-details.ts';
import { flagAck, flagSyn } from '../../src/packets/decode-packet.ts';
import type { FlagMode } from '../../src/packets/tcp-flags.ts';

type Facts = ReturnType<ConnectionDetails['facts']>;

/** Details of the one connection of a capture, in a table of its own. Its first packet is the client's. */
export function detailsOf(bytes: Uint8Array, mode: FlagMode = 'netcheck'): Facts & { readonly dropped: number } {
  const details = new ConnectionDetails();
  details.open(0);
  let clientPort = -1;
  const isns: (number | undefined)[] = [undefined, undefined];
  const analyser = createCaptureAnalyser({
    evidence: 'test',
    mode,
    onTcpPacket: (packet, frame, atMs, verdicts) => {
      if (packet.kind !== 'tcp') return;
      if (clientPort < 0) clientPort = packet.sourcePort;
      const side = packet.sourcePort === clientPort ? 0 : 1;
      isns[side] ??= (packet.flags & flagSyn) === 0 ? (packet.sequence - 1) | 0 : packet.sequence;
      if ((packet.flags & flagAck) !== 0) isns[1 - side] ??= (packet.acknowledgement - 1) | 0;
      details.segment(0, side, packet, verdicts, frame, atMs);
    },
  });
  analyser.push(bytes);
  analyser.finish();
  return { ...details.facts(0, isns[0] ?? 0, isns[1] ?? 0), dropped: details.dropped };
}
