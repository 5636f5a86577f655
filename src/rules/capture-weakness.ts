import type { Capture, Endpoint } from '../model/facts.ts';

/** Sentences of every rule that argues from captures: why one is too weak. */
export const captureText = {
  en: {
    noCapture: 'there is no packet capture of it',
    notListening: 'tcpdump never reported that it was listening',
    kernelDropped: (v: { packets: number }) =>
      `the kernel dropped ${v.packets} packets of the capture, so a packet that is missing from it proves nothing`,
    cutShort: 'the capture may end before the probes did, so a packet that is missing from it proves nothing',
    memoryBound: (v: { connections: number }) =>
      `${v.connections} connections of the capture were let go to bound memory, so one that is missing proves nothing`,
  },
  zh: {
    noCapture: '没有抓到包',
    notListening: 'tcpdump 一直没有进入监听状态',
    kernelDropped: (v: { packets: number }) => `抓包时内核丢了 ${v.packets} 个包，所以“没看到某个包”不能作为证据`,
    cutShort: '抓包可能在探测结束之前就中断了，所以“没看到某个包”不能作为证据',
    memoryBound: (v: { connections: number }) =>
      `为限制内存，抓包中有 ${v.connections} 条连接被丢弃，所以“没看到某条连接”不能作为证据`,
  },
} as const;

/** The same sentences as a rule's `say` has them. */
export interface CaptureSentences {
  readonly noCapture: string;
  readonly notListening: string;
  readonly kernelDropped: (v: { packets: number }) => string;
  readonly cutShort: string;
  readonly memoryBound: (v: { connections: number }) => string;
}

/** Why nothing at all can be read from a capture, or null where it can. */
export function blindness(capture: Capture | undefined, say: CaptureSentences): string | null {
  if (capture === undefined) return say.noCapture;
  // packets that were written prove that it listened, whatever became of tcpdump's stderr
  return capture.listening || capture.packets > 0 ? null : say.notListening;
}

/** Why a packet that is *missing* from this capture proves nothing, or null where it does. */
export function weakness(capture: Capture | undefined, say: CaptureSentences): string | null {
  const blind = blindness(capture, say);
  if (blind !== null || capture === undefined) return blind;
  if ((capture.droppedByKernel ?? 0) > 0) return say.kernelDropped({ packets: capture.droppedByKernel ?? 0 });
  if (capture.cutShort === true) return say.cutShort;
  if (capture.connectionsDropped > 0) return say.memoryBound({ connections: capture.connectionsDropped });
  return null;
}

/**
 * Whether a capture was asked for the packets of an address and port at all; what it was not asked for is not missing
 * from it. Where the filter is not known it is the port in question.
 */
export function takes(capture: Capture, { address, port }: Endpoint, askedPort: number): boolean {
  const { filter } = capture;
  if (filter === undefined) return port === askedPort;
  return (
    new RegExp(`\\((?:tcp|udp) port ${port}\\)`).test(filter) ||
    filter.includes(`(host ${address} and tcp port ${port})`) ||
    filter.includes(`(host ${address} and udp port ${port})`)
  );
}
