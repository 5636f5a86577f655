import * as z from 'zod';
import type { Capture, Connection } from '../model/facts.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, temporarySysctl } from './sysctl-remedies.ts';

const key = 'net.bridge.bridge-nf-call-iptables';
/** Bridges that pods or containers hang on. */
const podBridge = /^(?:cni\d+|cbr\d+|kube-bridge|docker0|br-[0-9a-f]{12})$/;

/** F54: what passes a bridge is not seen by iptables, so that answers of a Service on the same node are not translated back. */
export const bridgeNfOff = defineNodeRule({
  id: 'bridge-nf-off',
  fault: 'F54',
  scope: 'node',
  asksNothing: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['links', 'sysctl'],
  optional: ['ipvs', 'firewall', 'capture'],
  params: z.strictObject({}),
  sources: [
    'net/bridge/br_netfilter_hooks.c (brnf_call_iptables)',
    'imroc why-enable-bridge-nf-call-iptables.md; kubernetes#20475',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'Bridged packets pass iptables by: Services fail on the node of their own pod',
      noBridge: 'no bridge of pods (cni0, cbr0, docker0) with devices on it is here',
      notRead: `${key} was not read`,
      on: (v: { value: string }) => `${key} = ${v.value}: bridged packets pass iptables`,
      noServices:
        'no Service is translated here (no chain KUBE-SERVICES, no IPVS service): nothing has to be translated back',
      servicesUnknown: 'whether Services are translated here was not read',
      off: (v: { bridge: string; devices: number }) =>
        `${key} = 0, and ${v.devices} devices hang on ${v.bridge}: an answer of a pod to a pod beside it goes back directly, untranslated`,
      noModule: (v: { bridge: string; devices: number }) =>
        `${key} does not exist (br_netfilter is not loaded), and ${v.devices} devices hang on ${v.bridge}: an answer of a pod to a pod beside it goes back directly, untranslated`,
      seen: (v: { client: string; asked: string; answered: string }) =>
        `${v.client} asked ${v.asked}, was answered by ${v.answered}, and sent RST`,
      notSeen: 'No such answer was seen in the window; connects to pods of other nodes work all the same',
      temporary: 'Loads the module and lets bridged packets pass iptables',
      permanent: 'Keeps it after a reboot; the module must be loaded before sysctl.d is read',
      risk: 'Low: rules of iptables now also see packets between pods of one node',
    },
    zh: {
      ...captureText.zh,
      title: '网桥上的报文不经过 iptables：同节点访问 Service 不通',
      noBridge: '这里没有挂着设备的 Pod 网桥（cni0、cbr0、docker0）',
      notRead: `没有读到 ${key}`,
      on: (v) => `${key} = ${v.value}：网桥上的报文会经过 iptables`,
      noServices: '这里没有 Service 的地址转换（没有 KUBE-SERVICES 链，也没有 IPVS 服务）：不需要转换回来',
      servicesUnknown: '没有读到这里是否有 Service 的地址转换',
      off: (v) =>
        `${key} = 0，而 ${v.bridge} 上挂着 ${v.devices} 个设备：Pod 给同节点 Pod 的应答会直接返回，没有被转换回来`,
      noModule: (v) =>
        `没有 ${key}（未加载 br_netfilter），而 ${v.bridge} 上挂着 ${v.devices} 个设备：Pod 给同节点 Pod 的应答会直接返回，没有被转换回来`,
      seen: (v) => `${v.client} 访问 ${v.asked}，应答却来自 ${v.answered}，于是发了 RST`,
      notSeen: '窗口内没有看到这样的应答；访问其他节点上的 Pod 不受影响',
      temporary: '加载模块，让网桥上的报文经过 iptables',
      permanent: '重启后仍有效；读取 sysctl.d 之前必须先加载模块',
      risk: '低：iptables 规则此后也会看到同节点 Pod 之间的报文',
    },
  },
  evaluate({ node, facts, say }) {
    const { links } = facts;
    const bridged = links.filter(({ master }) => master !== undefined && podBridge.test(master));
    const bridge = bridged[0]?.master;
    if (bridge === undefined) return notApplicable(because(say.noBridge, fileOf(links)));
    const setting = facts.sysctl[key];
    if (setting === undefined) return undecided('sysctl', node, say.notRead);
    const value = setting.value?.trim();
    if (value !== undefined && value !== '0') return ruledOut(because(say.on({ value }), setting.at));
    const chains = facts.firewall?.rules.some(({ chain }) => chain === 'KUBE-SERVICES');
    const services = facts.ipvs?.services;
    if (chains !== true && (services === undefined || services.length === 0)) {
      if (chains === undefined) return undecided('firewall', node, say.servicesUnknown);
      return notApplicable(because(say.noServices, setting.at));
    }

    const count = { bridge, devices: bridged.filter(({ master }) => master === bridge).length };
    const reason = because(value === undefined ? say.noModule(count) : say.off(count), setting.at);
    const changes = [{ key, value: '1', previous: setting.value }];
    const now = temporarySysctl(node, changes, { text: say.temporary, risk: say.risk });
    const kept = permanentSysctl(node, 'bridge-nf', changes, { text: say.permanent, risk: say.risk });
    const file = '/etc/modules-load.d/99-netcheck-br_netfilter.conf';
    const remedies = [
      { ...now, commands: ['modprobe br_netfilter', ...now.commands] },
      {
        ...kept,
        commands: [`echo br_netfilter > ${file}`, ...kept.commands],
        undo: [`rm ${file}`, ...kept.undo],
      },
    ];
    const { capture } = facts;
    const found = capture === undefined || blindness(capture, say) !== null ? null : untranslated(capture);
    if (found === null || capture === undefined)
      return likely([reason, because(say.notSeen, capture?.at ?? setting.at)], remedies);
    const words = say.seen({
      client: endpointText(found.asked.client),
      asked: endpointText(found.asked.server),
      answered: endpointText(found.answer.server),
    });
    return confirmed([reason, because(words, capture.at)], remedies);
  },
});

/**
 * A connect without an answer, and a SYN+ACK of somebody else to the same port that the client answered with RST. The
 * capture may hold the SYN that the Service translated, too: the same one, to the address of the pod.
 */
function untranslated({ connections }: Capture): { readonly asked: Connection; readonly answer: Connection } | null {
  const answers = connections.filter(
    ({ synAcks, resets }) => synAcks.length > 0 && resets.some(({ from }) => from === 'client'),
  );
  for (const asked of connections)
    for (const answer of asked.handshake === 'unanswered' ? answers : [])
      if (
        answer.client.port === asked.client.port &&
        sameAddress(answer.client.address, asked.client.address) &&
        !sameAddress(answer.server.address, asked.server.address) &&
        (answer.syns.length === 0 || answer.syns[0]?.sequence === asked.syns[0]?.sequence)
      )
        return { asked, answer };
  return null;
}
