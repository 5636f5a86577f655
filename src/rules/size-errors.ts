import type { Capture, IcmpError } from '../model/facts.ts';
import type { Side } from './capture-counts.ts';
import { endpointText } from './endpoint-text.ts';

const tcp = 6;

/** ICMP frag-needed and ICMPv6 packet-too-big about TCP packets: "this was too large to be sent on". */
export function sizeErrors({ icmpErrors }: Capture): readonly IcmpError[] {
  return icmpErrors.filter(
    ({ name, about }) => about.protocol === tcp && (name === 'frag-needed' || name === 'packet-too-big'),
  );
}

/** Sender and receiver of the packet that an error is about, and the errors by that. */
export function byFlow(errors: readonly IcmpError[]): ReadonlyMap<string, readonly IcmpError[]> {
  const found = new Map<string, IcmpError[]>();
  for (const error of errors) {
    const { source, sourcePort, destination, destinationPort } = error.about;
    if (sourcePort === null || destinationPort === null) continue;
    const key = flowKey(
      endpointText({ address: source, port: sourcePort }),
      endpointText({ address: destination, port: destinationPort }),
    );
    const known = found.get(key);
    if (known === undefined) found.set(key, [error]);
    else known.push(error);
  }
  return found;
}

/** The key of {@link byFlow} for what one side sends. */
export function keyOfSide({ sender, receiver }: Side): string {
  return flowKey(endpointText(sender), endpointText(receiver));
}

function flowKey(from: string, to: string): string {
  return `${from} > ${to}`;
}
