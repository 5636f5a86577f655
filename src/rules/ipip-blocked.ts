import { definePathRule } from '../model/rule.ts';
import { judgeTunnel, tunnelBlockedParams, tunnelBlockedText } from './tunnel-blocked.ts';
import { kubeObjectText } from './kube-objects.ts';

/** F50: the fabric does not let IP in IP (protocol 4) pass between the nodes. */
export const ipipBlocked = definePathRule({
  id: 'ipip-blocked',
  fault: 'F50',
  scope: 'path',
  needs: { client: [], target: [] },
  optional: ['capture', 'links', 'addresses', 'routeGet', 'pings'],
  params: tunnelBlockedParams,
  sources: [
    'RFC 2003; net/ipv4/ipip.c',
    'captures at both ends of the tunnel; Calico documentation, overlay networking',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...tunnelBlockedText.en,
      title: 'IP in IP (protocol 4) is blocked between the nodes',
      open: (v: { source: string; destination: string }) =>
        `Let IP protocol 4 pass between ${v.source} and ${v.destination}, both ways: security groups need a rule for "all protocols" or the custom protocol 4 (a rule for all TCP and UDP ports does not do), firewalls between the nodes as well`,
      vxlan:
        'Where the cloud never passes protocol 4: let Calico use VXLAN instead (needs UDP 4789 between the nodes); with CrossSubnet only what leaves the subnet is put into a tunnel',
      vxlanRisk:
        'Pods of other nodes are cut off while the nodes change over; VXLAN takes 50 bytes per packet, 30 more: mind the MTU',
    },
    zh: {
      ...kubeObjectText.zh,
      ...tunnelBlockedText.zh,
      title: '节点之间的 IP in IP（协议号 4）被拦截',
      open: (v) =>
        `在 ${v.source} 与 ${v.destination} 之间双向放行 IP 协议 4：安全组要选“全部协议”或自定义协议 4（只放行全部 TCP 和 UDP 端口不行），节点之间的防火墙也一样`,
      vxlan:
        '如果云上根本不支持协议 4：让 Calico 改用 VXLAN（节点间需放行 UDP 4789）；CrossSubnet 模式下只有跨子网的报文才进隧道',
      vxlanRisk: '切换期间跨节点的 Pod 会中断；VXLAN 每个包占 50 字节，比 IPIP 多 30：注意 MTU',
    },
  },
  evaluate({ client, target, forwarders, symptom, plan, clockOffsetMs, params, say }) {
    return judgeTunnel({
      kinds: ['ipip'],
      kindText: 'IP in IP',
      client,
      target,
      forwarders,
      symptom,
      plan,
      clockOffsetMs,
      minLost: params.minLost,
      say,
      remedies: ({ near, source, destination }) => [
        {
          kind: 'permanent',
          node: near,
          text: `${say.open({ source, destination })}. ${say.watch}`,
          commands: [`tcpdump -ni any -c 20 'ip proto 4 and host ${destination}'`],
          undo: [],
          risk: say.riskOpens,
        },
        {
          kind: 'kubernetes',
          text: say.vxlan,
          commands: [
            `calicoctl patch ippool default-ipv4-ippool -p '{"spec":{"ipipMode":"Never","vxlanMode":"CrossSubnet"}}'`,
          ],
          undo: [`calicoctl patch ippool default-ipv4-ippool -p '{"spec":{"ipipMode":"Always","vxlanMode":"Never"}}'`],
          risk: say.vxlanRisk,
          objects: [
            {
              about: say.kubeVxlanPool,
              object: {
                apiVersion: 'projectcalico.org/v3',
                kind: 'IPPool',
                metadata: { name: 'default-ipv4-ippool' },
                spec: { ipipMode: 'Never', vxlanMode: 'CrossSubnet' },
              },
            },
          ],
        },
      ],
    });
  },
});
