import * as z from 'zod';
import type { Connection } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { sameAddress } from './ip-address.ts';
import { confirmed, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';
import { kubeProxyCommands } from './kube-objects.ts';
import { kubeProxyConfigText, liberalOrigin } from './kube-proxy-config.ts';

const maxKey = 'net.netfilter.nf_conntrack_max';
const liberalKey = 'net.netfilter.nf_conntrack_tcp_be_liberal';

/** F16: a packet that connection tracking takes for invalid is not translated back; the client does not know it: RST. */
export const conntrackInvalidRst = defineNodeRule({
  id: 'conntrack-invalid-rst',
  fault: 'F16',
  scope: 'node',
  roles: ['client', 'forwarder', 'target'],
  needs: ['sysctl'],
  optional: ['conntrackStats', 'capture', 'firewall', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'net/netfilter/nf_conntrack_proto_tcp.c tcp_in_window (nf_conntrack_tcp_be_liberal)',
    'kubernetes/kubernetes#74839, #74840 (the DROP of INVALID), #94861, #117924, #120412',
  ],
  text: {
    en: {
      ...captureText.en,
      ...tcpOnlyText.en,
      ...kubeProxyConfigText.en,
      title: 'Packets that connection tracking calls invalid are not translated back, and their connection is reset',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      noTracking: 'There is no connection tracking here (nf_conntrack is not loaded)',
      liberal: `${liberalKey} = 1: packets outside the window are not called invalid`,
      strict: `${liberalKey} = 0: packets outside the window count as invalid, and NAT leaves them as they are`,
      noCounter: 'the counter "invalid" of connection tracking is not in both readings',
      flat: 'connection tracking invalid +0 in the window',
      invalid: (v: { count: number }) => `connection tracking invalid +${v.count} in the window`,
      untranslated: (v: { client: string; virtual: string; real: string }) =>
        `${v.client} talks to ${v.virtual}, and got a packet of ${v.real} that nobody had translated back: it answered with RST`,
      noReset: (v: { connections: number }) =>
        `none of the ${v.connections} connections seen here was reset by its client in the middle of an answer`,
      resets: (v: { connections: number }) =>
        `${v.connections} connections seen here were reset by their client in the middle of an answer, and no packet shows why: capture in the pod as well`,
      dropRule: (v: { rule: string; packets: number }) =>
        `"${v.rule}" dropped ${v.packets} of them in the window: connections stall and send again, rather than being reset`,
      temporary: 'Connection tracking then lets packets outside the window pass and translates them',
      permanent: 'Keeps it after a reboot',
      kubernetes:
        'kube-proxy 1.15 and newer drops such packets (KUBE-FORWARD, ctstate INVALID) so that they cannot reset anything; from 1.29 on conntrack.tcpBeLiberal: true in its configuration sets this',
      risk: 'Connection tracking checks less',
    },
    zh: {
      ...captureText.zh,
      ...tcpOnlyText.zh,
      ...kubeProxyConfigText.zh,
      title: '被连接跟踪判为 INVALID 的包没有做反向地址转换，导致连接被重置',
      notRead: (v) => `没有读到 ${v.key}`,
      noTracking: '这里没有启用连接跟踪（未加载 nf_conntrack）',
      liberal: `${liberalKey} = 1：窗口之外的包不会被判为 INVALID`,
      strict: `${liberalKey} = 0：窗口之外的包会被判为 INVALID，NAT 不再改写它们`,
      noCounter: '两次读数里没有都出现连接跟踪的 invalid 计数器',
      flat: '窗口内连接跟踪 invalid +0',
      invalid: (v) => `窗口内连接跟踪 invalid +${v.count}`,
      untranslated: (v) => `${v.client} 连的是 ${v.virtual}，却收到 ${v.real} 发来、没有做反向转换的包，于是回了 RST`,
      noReset: (v) => `这里看到的 ${v.connections} 条连接都没有在应答传到一半时被客户端重置`,
      resets: (v) =>
        `这里看到 ${v.connections} 条连接在应答传到一半时被客户端重置，但没有包能说明原因：请在 Pod 里也抓包`,
      dropRule: (v) => `窗口内“${v.rule}”丢弃了 ${v.packets} 个这样的包：连接会卡住、重传，而不是被重置`,
      temporary: '连接跟踪会放行窗口之外的包，并照常做地址转换',
      permanent: '重启后仍有效',
      kubernetes:
        'kube-proxy 1.15 及以上会丢弃这类包（KUBE-FORWARD 的 ctstate INVALID），使其不会引起重置；1.29 起可在其配置里设 conntrack.tcpBeLiberal: true',
      risk: '连接跟踪的校验变少',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const max = facts.sysctl[maxKey];
    const liberal = facts.sysctl[liberalKey];
    const stats = facts.conntrackStats;
    if (max?.value === null && stats === undefined) return notApplicable(because(say.noTracking, max.at));
    if (plainSetting(liberal?.value) === '1' && liberal !== undefined)
      return ruledOut(because(say.liberal, liberal.at));
    const rise = stats?.['conntrack.invalid'];
    if (rise === undefined || rise.delta === null) return undecided('conntrackStats', node, say.noCounter);
    if (rise.delta <= 0) return ruledOut(because(say.flat, rise.at));
    const counted = because(say.invalid({ count: rise.delta }), rise.at);

    const { capture } = facts;
    if (capture === undefined) return undecided('capture', node, say.noCapture);
    const asked = capture.connections.filter(
      (c) => c.server.port === target.port && sameAddress(c.server.address, target.address),
    );
    // many applications close with RST when they are done; this one comes from the client, in the middle of the answer
    const reset = asked.filter(
      (c) =>
        !c.fins.client &&
        !c.fins.server &&
        c.bytes.client > 0 &&
        c.bytes.server > 0 &&
        c.resets.some((r) => r.from === 'client' && r.unacknowledged > 0),
    );
    const proof = untranslated();
    const setting: Because[] = liberal === undefined ? [] : [because(say.strict, liberal.at)];
    if (proof !== null) {
      const words = say.untranslated({
        client: endpointText(proof.known.client),
        virtual: endpointText(proof.known.server),
        real: endpointText(proof.real),
      });
      const origin = liberalOrigin(facts.cluster, false, say);
      return confirmed([counted, because(words, capture.at), ...setting, ...origin], remedies());
    }
    if (reset.length === 0) {
      const weak = weakness(capture, say);
      if (weak !== null) return undecided('capture', node, weak);
      return ruledOut(counted, because(say.noReset({ connections: asked.length }), capture.at));
    }
    const drop = facts.firewall?.rules.find(
      (r) => r.verdict === 'drop' && /INVALID|ct state invalid/i.test(r.text) && (r.packets?.delta ?? 0) > 0,
    );
    const dropped: Because[] =
      drop === undefined
        ? []
        : [because(say.dropRule({ rule: drop.text, packets: drop.packets?.delta ?? 0 }), drop.at)];
    return undecided(
      'capture',
      node,
      [say.resets({ connections: reset.length }), ...dropped.map(({ text }) => text)].join('. '),
    );

    /**
     * The same client endpoint in a connection that nobody opened, with another address of the same network position:
     * the backend's own packet came through, and the client reset it.
     */
    function untranslated(): { known: Connection; real: Connection['server'] } | null {
      for (const stray of capture?.connections ?? []) {
        if (stray.handshake !== 'midStream' || stray.resets.length === 0) continue;
        for (const known of asked) {
          const ends = [
            { mine: stray.client, theirs: stray.server, side: 'client' },
            { mine: stray.server, theirs: stray.client, side: 'server' },
          ] as const;
          const end = ends.find(
            ({ mine, side }) =>
              mine.port === known.client.port &&
              sameAddress(mine.address, known.client.address) &&
              stray.resets.some((r) => r.from === side),
          );
          if (end !== undefined && !sameAddress(end.theirs.address, known.server.address))
            return { known, real: end.theirs };
        }
      }
      return null;
    }

    function remedies(): Remedy[] {
      const change = [{ key: liberalKey, value: '1', previous: liberal?.value }];
      return [
        temporarySysctl(node, change, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'conntrack-liberal', change, { text: say.permanent, risk: say.risk }),
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [...kubeProxyCommands({ tcpBeLiberal: 'true' })],
          undo: [],
          risk: say.risk,
        },
      ];
    }
  },
});
