import type { Remedy } from '../model/report.ts';

/**
 * Names that drivers give to "the card had a packet and no free buffer". Left out: `rx_dropped`, which many drivers
 * fill from the kernel's own count and which then holds packets of unknown protocols too.
 */
export const ringNames =
  /^(?:rx_missed(?:_errors)?|rx_no_buffer_count|rx_no_buffer|rx_fifo_errors|rx_out_of_buffer|out_of_buffer|rx_discards(?:_phy)?|rx_over_errors|port\.rx_dropped|rx_no_dma_resources)$/;

/** Whether a counter of a device, without group and device, tells of packets that the receive ring had no room for. */
export function isRingCounter(name: string, group: string): boolean {
  return group === 'dev' ? name === 'rx_fifo' : ringNames.test(name);
}

/** What every rule about the receive ring says. */
export const ringText = {
  en: {
    ring: (v: { device: string; rx: number; maximum: number }) =>
      `${v.device}: the receive ring has ${v.rx} entries, ${v.maximum} are possible`,
    temporary: 'Makes the ring as long as the card allows',
    permanent: 'Where NetworkManager sets up the device (else a udev rule or a systemd .link file with RxBufferSize=)',
    riskReset: 'Many drivers take the link down for a moment when the ring changes',
  },
  zh: {
    ring: (v: { device: string; rx: number; maximum: number }) =>
      `${v.device}：接收环 ${v.rx} 项，最大可设 ${v.maximum}`,
    temporary: '把接收环调到网卡允许的最大值',
    permanent: '适用于由 NetworkManager 管理的设备（否则用 udev 规则，或 systemd .link 文件的 RxBufferSize=）',
    riskReset: '很多驱动改接收环时会短暂断链',
  },
} as const;

/** Makes a ring of `rx` entries as long as it can be. */
export function longerRing(
  of: { readonly node: string; readonly device: string; readonly rx: number; readonly maximum: number },
  say: Pick<(typeof ringText)['en' | 'zh'], 'temporary' | 'permanent' | 'riskReset'>,
): readonly Remedy[] {
  const { node, device, rx, maximum } = of;
  return [
    {
      kind: 'temporary',
      node,
      text: say.temporary,
      commands: [`ethtool -G ${device} rx ${maximum}`],
      undo: [`ethtool -G ${device} rx ${rx}`],
      risk: say.riskReset,
    },
    {
      kind: 'permanent',
      node,
      text: say.permanent,
      commands: [`nmcli connection modify ${device} ethtool.ring-rx ${maximum}`],
      undo: [`nmcli connection modify ${device} ethtool.ring-rx ${rx}`],
      risk: say.riskReset,
    },
  ];
}
