import * as z from 'zod';
import type { IpvsService } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { handshakesOf } from './handshakes.ts';
import { endpointText } from './endpoint-text.ts';
import { familyOf, sameAddress } from './ip-address.ts';
import { likely, confirmed, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { serversBehind } from './servers-behind.ts';
import { permanentSysctl, temporarySysctl } from './sysctl-remedies.ts';
import { withoutTranslatedLegs } from './translated-legs.ts';

/** A name that is fit to stand in a sysctl key: Linux allows more, nobody uses it. */
const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;

/** F07: a node that has to pass packets on does not. Says nothing about a node that is their destination. */
export const ipForwardOff = defineNodeRule({
  id: 'ip-forward-off',
  fault: 'F07',
  scope: 'node',
  roles: ['forwarder', 'target'],
  needs: ['sysctl'],
  optional: ['routeGet', 'addresses', 'counters', 'capture', 'firewall', 'ipvs'],
  params: z.strictObject({}),
  sources: [
    'net/ipv4/route.c ip_error (InAddrErrors where forwarding is off)',
    'Documentation/networking/ip-sysctl.rst (ip_forward, conf/*/forwarding)',
    'field report 1 (the false lead)',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'IP forwarding is off on a node that has to forward',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      localityUnknown: (v: { address: string }) =>
        `whether ${v.address} is this node's own address is not known (no route verdict, no addresses)`,
      local: (v: { address: string; key: string; value: string }) =>
        `${v.address} is this node's own address: packets to it are delivered here, not forwarded, so ${v.key} (here ${v.value}) does not matter`,
      sentOn: (v: { address: string; port: number; servers: string }) =>
        `${v.address}:${v.port} is this node's own address, and what comes for it is sent on to ${v.servers}`,
      on: (v: { key: string; value: string }) => `${v.key} = ${v.value}`,
      onWithVerdict: (v: { key: string; value: string; to: string; via: string }) =>
        `${v.key} = ${v.value}, and the kernel would forward to ${v.to}${v.via}`,
      off: (v: { key: string; value: string }) => `${v.key} = ${v.value} on a node that has to forward`,
      refuses: (v: { to: string; from: string; iif: string }) =>
        `ip route get ${v.to}${v.from} iif ${v.iif}: No route to host (the kernel refuses to forward it)`,
      discarded: (v: { count: number }) =>
        `Ip InAddrErrors +${v.count} in the window: packets for other hosts thrown away`,
      passedBy: (v: { syns: number; address: string; port: number }) =>
        `${v.syns} SYNs to ${v.address}:${v.port} came in here and got no answer`,
      notHere: (v: { address: string; port: number }) =>
        `no SYN to ${v.address}:${v.port} came by this node in the window, so it may not be on the path`,
      noEffect: 'No packet was seen to be thrown away for it in this window (Ip InAddrErrors +0 or not read)',
      temporary: 'Lets the node forward at once',
      permanent: 'Keeps it after a reboot',
      kubernetes:
        'kubeadm and the CNI expect it on every node: find out what switches it off (a sysctl.d file, a hardening script). In a cloud, the source/destination check of the instance is a separate cause',
      riskAll:
        'Writing ip_forward resets other net.ipv4.conf values to router defaults: check rp_filter and accept_redirects afterwards',
      riskDevice: 'Low: only packets that come in by this device',
    },
    zh: {
      ...captureText.zh,
      title: '需要转发的节点没有开启 IP 转发',
      notRead: (v) => `没有读到 ${v.key}`,
      localityUnknown: (v) => `无法确定 ${v.address} 是不是本节点自己的地址（没有路由判定，也没有地址列表）`,
      local: (v) =>
        `${v.address} 是本节点自己的地址：发往它的包在本机收下，不经过转发，所以 ${v.key}（这里是 ${v.value}）与此无关`,
      sentOn: (v) => `${v.address}:${v.port} 是本节点自己的地址，发往它的连接被转给 ${v.servers}`,
      on: (v) => `${v.key} = ${v.value}`,
      onWithVerdict: (v) => `${v.key} = ${v.value}，内核会转发到 ${v.to}${v.via}`,
      off: (v) => `这个节点需要转发，但 ${v.key} = ${v.value}`,
      refuses: (v) => `ip route get ${v.to}${v.from} iif ${v.iif}：No route to host（内核拒绝转发）`,
      discarded: (v) => `窗口内 Ip InAddrErrors +${v.count}：发往其他主机的包被丢弃`,
      passedBy: (v) => `到 ${v.address}:${v.port} 的 ${v.syns} 个 SYN 从这里进来，没有应答`,
      notHere: (v) => `窗口内没有到 ${v.address}:${v.port} 的 SYN 经过本节点，它可能不在路径上`,
      noEffect: '本次窗口内没有看到因此被丢的包（Ip InAddrErrors +0，或没有读到）',
      temporary: '立即开启转发',
      permanent: '重启后仍有效',
      kubernetes:
        'kubeadm 和 CNI 要求每个节点都开启：查清是谁关掉的（sysctl.d 文件、安全加固脚本）。云上实例的“源/目的检查”是另一个独立原因',
      riskAll: '写 ip_forward 会把其他 net.ipv4.conf 参数重置为路由器默认值：之后要检查 rp_filter 和 accept_redirects',
      riskDevice: '低：只影响从该网卡进来的包',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const v6 = familyOf(target.address) === 6;
    const globalKey = v6 ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward';
    const setting = facts.sysctl[globalKey];
    if (setting === undefined || setting.value === null)
      return undecided('sysctl', node, say.notRead({ key: globalKey }));

    const toTarget = facts.routeGet?.filter((r) => sameAddress(r.to, target.address)) ?? [];
    const localVerdict = toTarget.find((r) => r.verdict === 'local');
    const ownAddress = facts.addresses?.find((a) => sameAddress(a.address, target.address));
    const ownedAt = localVerdict?.at ?? ownAddress?.at;
    const isOwn = (address: string): boolean =>
      sameAddress(address, target.address) || (facts.addresses ?? []).some((a) => sameAddress(a.address, address));
    const servers =
      ownedAt === undefined
        ? []
        : serversBehind(
            { ...target, protocol: symptom.protocol, isHere: true },
            { services: (facts.ipvs?.services ?? []).map(onlyTranslating) },
            facts.firewall?.rules ?? [],
          ).filter(({ address }) => !isOwn(address));
    const sentOn: Because[] =
      ownedAt === undefined || servers.length === 0
        ? []
        : [because(say.sentOn({ ...target, servers: servers.slice(0, 3).map(endpointText).join(', ') }), ownedAt)];
    if (ownedAt !== undefined && sentOn.length === 0) {
      const words = say.local({ address: target.address, key: globalKey, value: setting.value.trim() });
      return notApplicable(because(words, ownedAt));
    }
    const isForwarder =
      sentOn.length > 0 || plan.nodes.some((n) => n.node.name === node && n.roles.includes('forwarder'));
    const globalOn = setting.value.trim() !== '0';
    const routes =
      sentOn.length === 0
        ? toTarget
        : (facts.routeGet ?? []).filter((r) => servers.some(({ address }) => sameAddress(r.to, address)));
    if (!globalOn && !isForwarder && routes.length === 0) {
      return undecided('routeGet', node, say.localityUnknown({ address: target.address }));
    }

    // the kernel asks the device that the packet comes in by; ip_forward only sets all of them
    const asked = routes.find((r) => r.iif !== undefined);
    const device = asked?.iif !== undefined && deviceName.test(asked.iif) ? asked.iif : undefined;
    const deviceKey =
      device === undefined ? undefined : `net.${v6 ? 'ipv6' : 'ipv4'}.conf.${device.replaceAll('.', '/')}.forwarding`;
    const perDevice = deviceKey === undefined ? undefined : facts.sysctl[deviceKey];
    const off =
      // with the device alone the answers, which come in by another, would still be dropped
      globalOn && perDevice?.value?.trim() === '0' && deviceKey !== undefined
        ? { key: deviceKey, value: '0', at: perDevice.at }
        : !globalOn && perDevice?.value?.trim() !== '1'
          ? { key: globalKey, value: setting.value.trim(), at: setting.at }
          : null;
    if (off === null) {
      const forwards = routes.find((r) => r.verdict === 'ok');
      return ruledOut(
        ...sentOn,
        forwards === undefined
          ? because(say.on({ key: globalKey, value: setting.value.trim() }), setting.at)
          : because(
              say.onWithVerdict({
                key: globalKey,
                value: setting.value.trim(),
                to: forwards.to,
                via: `${forwards.via === undefined ? '' : ` via ${forwards.via}`}${forwards.device === undefined ? '' : ` dev ${forwards.device}`}`,
              }),
              setting.at,
            ),
      );
    }

    const change = [{ key: off.key, value: '1', previous: off.value }];
    const risk = off.key === globalKey && !v6 ? say.riskAll : say.riskDevice;
    const remedies: Remedy[] = [
      temporarySysctl(node, change, { text: say.temporary, risk }),
      permanentSysctl(node, 'ip-forward', change, { text: say.permanent, risk }),
      { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk },
    ];
    const reasons: Because[] = [...sentOn, because(say.off({ key: off.key, value: off.value }), off.at)];

    const refused = routes.find((r) => r.iif !== undefined && r.verdict === 'no-route-to-host');
    if (refused !== undefined) {
      const from = refused.from === undefined ? '' : ` from ${refused.from}`;
      reasons.push(because(say.refuses({ to: refused.to, from, iif: refused.iif ?? '' }), refused.at));
    }
    const discards = v6 ? undefined : facts.counters?.['Ip.InAddrErrors'];
    const discarded = discards !== undefined && (discards.delta ?? 0) > 0 ? (discards.delta ?? 0) : 0;
    if (discards !== undefined && discarded > 0) {
      reasons.push(because(say.discarded({ count: discarded }), discards.at));
    }

    const sound = weakness(facts.capture, say) === null ? facts.capture : undefined;
    if (sound !== undefined) {
      // whatever the capture's filter let in concerns this question; NAT may have changed the addresses
      const seen = handshakesOf({ ...sound, connections: withoutTranslatedLegs(sound.connections) }, () => true, 200);
      if (seen.syns === 0) {
        return likely([...reasons, because(say.notHere({ ...target }), sound.at)], remedies);
      }
      reasons.push(because(say.passedBy({ syns: seen.unansweredSyns, ...target }), sound.at));
      if (seen.unanswered.length === 0) return likely(reasons, remedies);
    }
    if (refused !== undefined || discarded > 0) return confirmed(reasons, remedies);
    return likely([...reasons, because(say.noEffect, discards?.at ?? off.at)], remedies);
  },
});

/** By direct routing and by tunnel the answers do not come back through the node (ipvsadm(8), packet-forwarding-method). */
function onlyTranslating(service: IpvsService): IpvsService {
  return { ...service, servers: service.servers.filter(({ forward }) => /^masq/i.test(forward)) };
}
