import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';

const key = 'net.ipv4.ip_forward';
/** Chains that kube-proxy and pod networks make; a node that has them passes packets of pods on. */
const podChain = /^(?:KUBE-(?:SERVICES|FORWARD|POSTROUTING)|CNI-|DOCKER$|FLANNEL-|cali-FORWARD|CILIUM_FORWARD)/;

/** F07, without a question: what is set up on a node says that it has to forward, and it does not. */
export const forwardingNeeded = defineNodeRule({
  id: 'forwarding-needed',
  fault: 'F07',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'forwarder'],
  needs: ['sysctl'],
  optional: ['firewall', 'ipvs', 'kubeProxy', 'links'],
  params: z.strictObject({}),
  sources: [
    'Documentation/networking/ip-sysctl.rst (ip_forward)',
    'net/netfilter/ipvs/ip_vs_core.c (masqueraded packets are forwarded; tunnelled and direct ones are sent by the node itself)',
    'kubernetes.io: Container Runtimes, "Enable IPv4 packet forwarding"',
  ],
  text: {
    en: {
      title: 'IP forwarding is off, and the node is set up to forward',
      notRead: `${key} was not read`,
      nobodyKnows: 'neither firewall rules nor IPVS nor links were read, so whether it has to forward is not known',
      on: (v: { value: string }) => `${key} = ${v.value}`,
      off: `${key} = 0: packets for others are thrown away`,
      nothing: `${key} = 0, and nothing on this node says that it has to forward`,
      ipvs: (v: { services: number; first: string }) =>
        `IPVS sends ${v.services} services on by translating addresses, the first is ${v.first}`,
      kubeProxy: 'kube-proxy answers here: pods of this node are reached through it',
      nat: (v: { text: string }) => `a rule translates the addresses of forwarded packets: ${v.text}`,
      chain: (v: { chain: string }) => `the firewall has the chain ${v.chain} of a pod network`,
      bridge: (v: { bridge: string; ports: number }) =>
        `${v.ports} devices of containers hang on the bridge ${v.bridge}`,
      temporary: 'Lets the node forward at once',
      permanent: 'Keeps it after a reboot',
      kubernetes:
        'Find out what switches it off (a file in sysctl.d, a hardening script, cloud-init): kubelet and the CNI expect it on',
      risk: 'Writing ip_forward resets other net.ipv4.conf values to those of a router: check rp_filter and accept_redirects afterwards. Without a firewall the node forwards for everybody',
    },
    zh: {
      title: 'IP 转发关闭，而该节点的配置需要转发',
      notRead: `没有读到 ${key}`,
      nobodyKnows: '防火墙规则、IPVS、网卡都没有读到，无法判断它是否需要转发',
      on: (v) => `${key} = ${v.value}`,
      off: `${key} = 0：发给别人的包会被丢弃`,
      nothing: `${key} = 0，而该节点上没有任何需要转发的配置`,
      ipvs: (v) => `IPVS 通过地址转换转发 ${v.services} 个服务，第一个是 ${v.first}`,
      kubeProxy: '这里有 kube-proxy 应答：访问该节点上的 Pod 要经过它',
      nat: (v) => `有规则对转发的包做地址转换：${v.text}`,
      chain: (v) => `防火墙里有 Pod 网络的链 ${v.chain}`,
      bridge: (v) => `网桥 ${v.bridge} 上挂着 ${v.ports} 个容器网卡`,
      temporary: '立即允许该节点转发',
      permanent: '重启后仍有效',
      kubernetes: '查出是什么把它关掉的（sysctl.d 文件、加固脚本、cloud-init）：kubelet 和 CNI 需要它打开',
      risk: '写 ip_forward 会把 net.ipv4.conf 的其他值重置为路由器默认值：之后检查 rp_filter 和 accept_redirects。没有防火墙时该节点会替所有人转发',
    },
  },
  evaluate({ node, facts, say }) {
    const setting = facts.sysctl[key];
    const value = plainSetting(setting?.value);
    if (setting === undefined || value === null) return undecided('sysctl', node, say.notRead);
    if (value !== '0') return ruledOut(because(say.on({ value }), setting.at));
    const reasons = reasonsToForward();
    if (reasons.length > 0) return likely([because(say.off, setting.at), ...reasons], remedies());
    if (facts.firewall === undefined && facts.ipvs === undefined && facts.links === undefined)
      return undecided('firewall', node, say.nobodyKnows);
    return notApplicable(because(say.nothing, setting.at));

    function reasonsToForward(): Because[] {
      const found: Because[] = [];
      const translated = (facts.ipvs?.services ?? []).filter(({ servers }) =>
        servers.some(({ forward }) => /^masq/i.test(forward)),
      );
      const [service] = translated;
      if (service !== undefined)
        found.push(
          because(say.ipvs({ services: translated.length, first: `${service.address}:${service.port}` }), service.at),
        );
      if (facts.kubeProxy?.mode !== undefined || facts.kubeProxy?.healthy === true)
        found.push(because(say.kubeProxy, facts.kubeProxy.at));
      const rules = facts.firewall?.rules ?? [];
      const chain = rules.find((rule) => podChain.test(rule.chain));
      if (chain !== undefined) found.push(because(say.chain({ chain: chain.chain }), chain.at));
      // what leaves with another address than the node's own rule gives it was not sent by the node alone
      const nat = rules.find(
        ({ isPolicy, hook, text }) =>
          !isPolicy && hook === 'postrouting' && /\bMASQUERADE\b|\bSNAT\b|\bmasquerade\b|\bsnat\b/.test(text),
      );
      if (nat !== undefined && chain === undefined) found.push(because(say.nat({ text: nat.text }), nat.at));
      const links = facts.links ?? [];
      const ports = links.filter(
        ({ type, master, flags }) => type === 'veth' && master !== undefined && flags.includes('UP'),
      );
      const [port] = ports;
      if (port?.master !== undefined)
        found.push(
          because(
            say.bridge({ bridge: port.master, ports: ports.filter(({ master }) => master === port.master).length }),
            port.at,
          ),
        );
      return found;
    }

    function remedies(): Remedy[] {
      const change = [{ key, value: '1', previous: setting?.value }];
      return [
        temporarySysctl(node, change, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'forwarding-needed', change, { text: say.permanent, risk: say.risk }),
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});
