import type { Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { judgeTunnel, tunnelBlockedParams, tunnelBlockedText } from './tunnel-blocked.ts';

const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;

/** F51: the fabric, or the virtual network card, does not let VXLAN or Geneve (UDP) pass between the nodes. */
export const vxlanBlocked = definePathRule({
  id: 'vxlan-blocked',
  fault: 'F51',
  scope: 'path',
  needs: { client: [], target: [] },
  optional: ['capture', 'links', 'addresses', 'routeGet', 'pings', 'nics'],
  params: tunnelBlockedParams,
  sources: [
    'RFC 7348, RFC 8926; drivers/net/vxlan/vxlan_core.c',
    'cilium#21801, calico#9433, flannel#2388 (VMware); captures at both ends of the tunnel',
  ],
  text: {
    en: {
      ...tunnelBlockedText.en,
      title: 'VXLAN or Geneve (UDP) is blocked between the nodes',
      open: (v: { source: string; destination: string }) =>
        `Let UDP pass between ${v.source} and ${v.destination}, both ways, in security groups and firewalls: 4789 (Calico, Linux), 8472 (flannel, Cilium) or 6081 (Geneve)`,
      vmware: (v: { device: string }) =>
        `Only where the nodes are VMware guests (ethtool -i ${v.device} says vmxnet3): ESXi takes VXLAN of guests for its own and loses what was left to the card. If pings through the tunnel pass and TCP does not, leave nothing to the card; a newer ESXi (7.0U3) or another port for the tunnel mends it for good`,
      vmwareRisk: 'More work for the CPU',
    },
    zh: {
      ...tunnelBlockedText.zh,
      title: '节点之间的 VXLAN 或 Geneve（UDP）被拦截',
      open: (v) =>
        `在安全组和防火墙上双向放行 ${v.source} 与 ${v.destination} 之间的 UDP：4789（Calico、Linux 默认）、8472（flannel、Cilium）或 6081（Geneve）`,
      vmware: (v) =>
        `仅当节点是 VMware 虚拟机（ethtool -i ${v.device} 显示 vmxnet3）：ESXi 会把虚拟机的 VXLAN 当成自己的，并丢掉交给网卡处理的部分。如果隧道内 ping 通而 TCP 不通，就不要交给网卡处理；升级 ESXi（7.0U3）或更换隧道端口可彻底解决`,
      vmwareRisk: 'CPU 开销增加',
    },
  },
  evaluate({ client, target, forwarders, symptom, plan, clockOffsetMs, params, say }) {
    return judgeTunnel({
      kinds: ['vxlan', 'geneve'],
      kindText: 'VXLAN',
      client,
      target,
      forwarders,
      symptom,
      plan,
      clockOffsetMs,
      minLost: params.minLost,
      say,
      remedies: ({ near, source, destination, device }) => {
        const dev = device !== null && deviceName.test(device) ? device : 'DEV';
        const offloads = (state: 'on' | 'off'): string =>
          `ethtool -K ${dev} tx-udp_tnl-segmentation ${state} tx-udp_tnl-csum-segmentation ${state}`;
        const open: Remedy = {
          kind: 'permanent',
          node: near,
          text: `${say.open({ source, destination })}. ${say.watch}`,
          commands: [`tcpdump -ni any -c 20 'host ${destination} and udp and (port 4789 or port 8472 or port 6081)'`],
          undo: [],
          risk: say.riskOpens,
        };
        const driver = [client, ...forwarders]
          .find(({ node }) => node === near)
          ?.facts.nics?.find((nic) => nic.device === device)?.driver?.driver;
        if (driver !== undefined && driver !== 'vmxnet3') return [open];
        return [
          open,
          {
            kind: 'temporary',
            node: near,
            text: say.vmware({ device: dev }),
            commands: [`ethtool -i ${dev}`, offloads('off')],
            undo: [offloads('on')],
            risk: say.vmwareRisk,
          },
        ];
      },
    });
  },
});
