import * as z from 'zod';
import type { Link } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { inPrefix, sameAddress } from './ip-address.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';

/** F57: the device that the packets have to leave by is down or has no carrier. */
export const netdevDown = defineNodeRule({
  id: 'netdev-down',
  fault: 'F57',
  scope: 'node',
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['links', 'routeGet'],
  optional: ['addresses', 'probes'],
  params: z.strictObject({}),
  sources: [
    'include/uapi/linux/if.h IFF_UP, IFF_LOWER_UP; RFC 2863 (operational states)',
    'kubeskoop AssertVEthPeerBridge, AssertHostBridge',
  ],
  text: {
    en: {
      title: 'A network device on the way is down or has no carrier',
      noWay:
        'the way to the target and back is not known (no answer of ip route get with a device that is in the list)',
      up: (v: { devices: string }) => `${v.devices}: up, with carrier`,
      noCarrier: (v: { device: string; to: string; state: string }) =>
        `${v.device} leads to ${v.to} and has no carrier (state ${v.state}): cable, switch port, or the other end of the veth`,
      down: (v: { device: string; address: string; to: string }) =>
        `${v.device} is switched off, and its network ${v.address} holds ${v.to}: packets for it take another way or none`,
      master: (v: { device: string; master: string; state: string }) =>
        `${v.device} belongs to ${v.master}, which is ${v.state}`,
      probes: (v: { failed: number; total: number; message: string }) =>
        `${v.failed} of ${v.total} probes failed from here${v.message}`,
      works: (v: { total: number }) => `All ${v.total} probes from here connected all the same: it is not on their way`,
      temporary: 'Switches it on',
      risk: 'Medium: find out first who switched it off; routes that went with it do not all come back by themselves',
      cable: 'Look at the link: ethtool says whether it is detected, the other end (switch port, pod) decides',
      cableRisk: 'None: it only looks',
    },
    zh: {
      title: '路径上的网络设备被关闭或没有载波',
      noWay: '不知道到目标和返回的路径（ip route get 没有给出设备列表中的设备）',
      up: (v) => `${v.devices}：已启用，有载波`,
      noCarrier: (v) => `${v.device} 通往 ${v.to}，但没有载波（状态 ${v.state}）：检查网线、交换机端口或 veth 的另一端`,
      down: (v) => `${v.device} 被关闭了，而它的网段 ${v.address} 包含 ${v.to}：到它的报文会走别的路或无路可走`,
      master: (v) => `${v.device} 属于 ${v.master}，而后者的状态是 ${v.state}`,
      probes: (v) => `从这里发起的 ${v.total} 次探测失败了 ${v.failed} 次${v.message}`,
      works: (v) => `从这里发起的 ${v.total} 次探测仍然都成功：它不在路径上`,
      temporary: '启用该设备',
      risk: '中：先查明是谁关的；随之消失的路由不一定都会自动恢复',
      cable: '检查链路：用 ethtool 看是否检测到，由另一端（交换机端口、Pod）决定',
      cableRisk: '无：只是查看',
    },
  },
  evaluate({ node, facts, target, say }) {
    const { links, routeGet } = facts;
    const linkOf = (name: string | undefined): Link | undefined => links.find((link) => link.name === name);
    const ways = routeGet.flatMap(({ to, device, verdict }) => {
      const link = verdict === 'ok' ? linkOf(device) : undefined;
      return link === undefined || link.name === 'lo' ? [] : [{ to, link }];
    });
    const wrong: { because: Because; remedy: Remedy }[] = [];
    for (const { to, link } of ways) {
      const master = linkOf(link.master);
      if (isDead(link))
        wrong.push({
          because: because(say.noCarrier({ device: link.name, to, state: link.state }), link.at),
          remedy: look(link),
        });
      else if (master !== undefined && isDead(master))
        wrong.push({
          because: because(say.master({ device: link.name, master: master.name, state: master.state }), master.at),
          remedy: look(master),
        });
    }
    // the routes of a device that is switched off are gone: only its address tells that it was meant
    const hasOwn = routeGet.some(({ to, verdict }) => sameAddress(to, target.address) && verdict === 'local');
    for (const { device, address, prefixLength } of hasOwn ? [] : (facts.addresses ?? [])) {
      const link = linkOf(device);
      const prefix = `${address}/${prefixLength}`;
      if (link === undefined || link.name === 'lo' || link.flags.includes('UP')) continue;
      if (inPrefix(target.address, prefix) !== true) continue;
      wrong.push({
        because: because(say.down({ device, address: prefix, to: target.address }), link.at),
        remedy: switchOn(link),
      });
    }
    const [first] = wrong;
    if (first === undefined) {
      if (ways.length === 0 && !hasOwn) return undecided('routeGet', node, say.noWay);
      const [way] = ways;
      const devices = [...new Set(ways.map(({ link }) => link.name))].join(', ');
      return ruledOut(
        because(
          say.up({ devices: devices === '' ? 'lo' : devices }),
          way?.link.at ?? links[0]?.at ?? { evidence: 'run.json' },
        ),
      );
    }
    const reasons = wrong.map((one) => one.because);
    const remedies = [...new Map(wrong.map((one) => [one.remedy.commands.join(), one.remedy])).values()];
    const failed = facts.probes?.filter(({ outcome }) => outcome !== 'connected') ?? [];
    const tried = facts.probes?.length ?? 0;
    const [tries] = facts.probes ?? [];
    if (tries !== undefined && failed.length === 0)
      return ruledOut(...reasons, because(say.works({ total: tried }), tries.at));
    const [probe] = failed;
    if (probe === undefined || failed.length < tried) return likely(reasons, remedies);
    const effect = because(
      say.probes({
        failed: failed.length,
        total: failed.length,
        message: probe.message === '' ? '' : ` (${probe.message})`,
      }),
      probe.at,
    );
    return confirmed([...reasons, effect], remedies);

    function switchOn({ name }: Link): Remedy {
      const commands = isPlain(name) ? [`ip link set dev ${name} up`] : [];
      const undo = isPlain(name) ? [`ip link set dev ${name} down`] : [];
      return { kind: 'temporary', node, text: say.temporary, commands, undo, risk: say.risk };
    }
    function look({ name }: Link): Remedy {
      const commands = isPlain(name) ? [`ethtool ${name}`, `ip -d link show dev ${name}`] : [];
      return { kind: 'permanent', node, text: say.cable, commands, undo: [], risk: say.cableRisk };
    }
  },
});

/** Tunnels and other devices without a carrier are UNKNOWN, not DOWN (RFC 2863). */
function isDead({ state, flags }: Link): boolean {
  return flags.includes('NO-CARRIER') || state === 'DOWN' || state === 'LOWERLAYERDOWN';
}

function isPlain(name: string): boolean {
  return /^[\w.-]{1,15}$/.test(name);
}
