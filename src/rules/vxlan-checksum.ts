import type { FirewallRule, Kernel } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { because } from './because.ts';
import { isOlderThan } from './kernel-release.ts';
import { felixConfiguration, kubeObjectText } from './kube-objects.ts';

/** What leaves the outer checksum of a VXLAN device to the card. */
export const checksumFeature = 'tx-checksum-ip-generic';

const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;

/** What both rules about wrong VXLAN checksums say. */
export const vxlanChecksumText = {
  en: {
    kubeFelixChecksum: kubeObjectText.en.kubeFelixChecksum,
    offload: (v: { device: string; node: string }) =>
      `${v.device} of ${v.node} leaves checksums to the card (${checksumFeature}: on)`,
    random: (v: { rule: string }) => `translated with random ports, which brings it about: ${v.rule}`,
    oldKernel: (v: { release: string }) =>
      `the kernel ${v.release} may have the fault (fixed in Linux 5.7 and backports)`,
    temporary: (v: { device: string }) => `Lets ${v.device} compute checksums itself`,
    permanent:
      'The device is made anew at every start: a udev rule sets it for good. A kernel that has the fix makes it unnecessary',
    kubernetes:
      'Calico: FelixConfiguration featureDetectOverride "ChecksumOffloadBroken=true" (since 3.19 by itself on kernels before 5.7); flannel: a release that turns it off',
    risk: 'More work for the CPU: packets of the tunnel are no longer put together and cut by the card',
  },
  zh: {
    kubeFelixChecksum: kubeObjectText.zh.kubeFelixChecksum,
    offload: (v: { device: string; node: string }) =>
      `${v.node} 的 ${v.device} 把校验和交给网卡（${checksumFeature}: on）`,
    random: (v: { rule: string }) => `使用了随机端口的地址转换，会触发该问题：${v.rule}`,
    oldKernel: (v: { release: string }) => `内核 ${v.release} 可能有这个缺陷（Linux 5.7 及回移版本已修复）`,
    temporary: (v: { device: string }) => `让 ${v.device} 自己计算校验和`,
    permanent: '该设备每次启动都会重建：用 udev 规则永久设置。内核已修复则不再需要',
    kubernetes:
      'Calico：FelixConfiguration 设置 featureDetectOverride "ChecksumOffloadBroken=true"（3.19 起在 5.7 以下内核自动处理）；flannel：使用会关闭它的版本',
    risk: 'CPU 开销增加：隧道报文不再由网卡合并和拆分',
  },
} as const;

export type VxlanChecksumSentences = (typeof vxlanChecksumText)['en' | 'zh'];

/** A rule that gives packets random ports: with it the kernel before 5.7 makes wrong checksums. */
export function randomPorts(rules: readonly FirewallRule[] | undefined): FirewallRule | undefined {
  return rules?.find(
    ({ text }) => /MASQUERADE|SNAT|masquerade|snat/.test(text) && /--random-fully|fully-random/.test(text),
  );
}

/** The kernel, where it is of before the fix; null where that cannot be told. */
export function hasOldKernel(kernel: Kernel | undefined): boolean | null {
  return kernel === undefined ? null : isOlderThan(kernel.release, 5, 7);
}

/** Offload, random ports and old kernel are there: what to tell of the last two. */
export function randomOnOldKernel(
  rule: FirewallRule,
  kernel: Kernel,
  say: Pick<VxlanChecksumSentences, 'random' | 'oldKernel'>,
): readonly Because[] {
  return [
    because(say.random({ rule: rule.text }), rule.at),
    because(say.oldKernel({ release: kernel.release }), kernel.at),
  ];
}

/** Lets VXLAN devices compute their checksums themselves. */
export function ownChecksums(
  of: readonly { readonly node: string; readonly device: string }[],
  say: VxlanChecksumSentences,
): readonly Remedy[] {
  const found = of.filter(({ device }) => deviceName.test(device));
  const [first] = found;
  if (first === undefined) return [];
  const rule = `SUBSYSTEM==\\"net\\", ACTION==\\"add\\", KERNEL==\\"${first.device}\\", RUN+=\\"/usr/sbin/ethtool -K ${first.device} ${checksumFeature} off\\"`;
  const file = '/etc/udev/rules.d/90-netcheck-vxlan-checksum.rules';
  return [
    ...found.map(
      ({ node, device }): Remedy => ({
        kind: 'temporary',
        node,
        text: say.temporary({ device }),
        commands: [`ethtool -K ${device} ${checksumFeature} off`],
        undo: [`ethtool -K ${device} ${checksumFeature} on`],
        risk: say.risk,
      }),
    ),
    {
      kind: 'permanent',
      node: first.node,
      text: say.permanent,
      commands: [`echo "${rule}" > ${file}`, 'udevadm control --reload'],
      undo: [`rm ${file}`, 'udevadm control --reload'],
      risk: say.risk,
    },
    {
      kind: 'kubernetes',
      text: say.kubernetes,
      commands: [],
      undo: [],
      risk: say.risk,
      objects: [
        {
          about: say.kubeFelixChecksum,
          object: felixConfiguration({ featureDetectOverride: 'ChecksumOffloadBroken=true' }),
        },
      ],
    },
  ];
}
