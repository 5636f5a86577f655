import * as z from 'zod';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { tunnelKindOf } from './tunnel-way.ts';
import {
  checksumFeature,
  hasOldKernel,
  ownChecksums,
  randomOnOldKernel,
  randomPorts,
  vxlanChecksumText,
} from './vxlan-checksum.ts';

/** F52, without a question: the three settings that together make VXLAN packets with wrong checksums are there. */
export const vxlanCsumRisk = defineNodeRule({
  id: 'vxlan-csum-risk',
  fault: 'F52',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['links'],
  optional: ['nics', 'firewall', 'kernel'],
  params: z.strictObject({}),
  sources: ['calico#3145, calico#4865, kubernetes#88986, kubernetes#90854, flannel#1279; felix#2811'],
  text: {
    en: {
      ...vxlanChecksumText.en,
      title: 'VXLAN packets may leave with a wrong checksum (1 s, 3 s, 63 s delays)',
      noVxlan: 'no VXLAN device is up',
      notRead: (v: { device: string }) => `the offloads of ${v.device} were not read`,
      noKernel: 'which kernel it is was not read',
      noFirewall: 'the rules that translate addresses were not read',
      software: (v: { devices: string }) =>
        `${v.devices}: checksums are computed by the node (${checksumFeature}: off)`,
      newKernel: (v: { release: string }) => `the kernel ${v.release} has the fix of Linux 5.7`,
      noRandom: 'no rule gives translated packets random ports, which brings the fault about',
    },
    zh: {
      ...vxlanChecksumText.zh,
      title: 'VXLAN 报文可能带着错误的校验和发出（延迟 1 秒、3 秒、63 秒）',
      noVxlan: '没有启用的 VXLAN 设备',
      notRead: (v) => `没有读到 ${v.device} 的 offload 设置`,
      noKernel: '没有读到内核版本',
      noFirewall: '没有读到地址转换规则',
      software: (v) => `${v.devices}：校验和由节点自己计算（${checksumFeature}: off）`,
      newKernel: (v) => `内核 ${v.release} 已包含 Linux 5.7 的修复`,
      noRandom: '没有使用随机端口的地址转换规则，不会触发该问题',
    },
  },
  evaluate({ node, facts, say }) {
    const vxlans = facts.links.filter((link) => tunnelKindOf(link) === 'vxlan' && link.flags.includes('UP'));
    if (vxlans.length === 0) return notApplicable(because(say.noVxlan, fileOf(facts.links)));
    const old = hasOldKernel(facts.kernel);
    if (facts.kernel !== undefined && old === false)
      return ruledOut(because(say.newKernel({ release: facts.kernel.release }), facts.kernel.at));
    const told = vxlans.map(({ name }) => ({
      device: name,
      feature: facts.nics?.find(({ device }) => device === name)?.features?.[checksumFeature],
    }));
    const on = told.flatMap(({ device, feature }) => (feature?.on === true ? [{ device, node, at: feature.at }] : []));
    const unread = told.find(({ feature }) => feature === undefined);
    if (on.length === 0)
      return unread === undefined
        ? ruledOut(
            because(
              say.software({ devices: told.map(({ device }) => device).join(', ') }),
              fileOf(told.flatMap(({ feature }) => feature ?? [])),
            ),
          )
        : undecided('nics', node, say.notRead(unread));
    if (facts.firewall === undefined) return undecided('firewall', node, say.noFirewall);
    const rule = randomPorts(facts.firewall.rules);
    if (rule === undefined) return ruledOut(because(say.noRandom, fileOf(facts.firewall.rules)));
    if (facts.kernel === undefined || old === null) return undecided('kernel', node, say.noKernel);
    return likely(
      [...on.map((one) => because(say.offload(one), one.at)), ...randomOnOldKernel(rule, facts.kernel, say)],
      ownChecksums(on, say),
    );
  },
});
