import * as z from 'zod';
import type { Listener } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { handshakesTo } from './handshakes.ts';
import { isLoopback } from './ip-address.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, ruledOut } from './outcomes.ts';

const v6onlyKey = 'net.ipv6.bindv6only';

/** F26: something listens on the port, but not for the address that is asked. */
export const loopbackOnly = defineNodeRule({
  id: 'loopback-only',
  fault: 'F26',
  scope: 'node',
  roles: ['target'],
  needs: ['listeners'],
  optional: ['capture', 'sysctl'],
  params: z.strictObject({}),
  sources: ['ip(7), ipv6(7) (IPV6_V6ONLY, bindv6only)', 'lab: RST from the target, localhost works'],
  text: {
    en: {
      ...captureText.en,
      title: 'The port is only listened on for another address (loopback)',
      nothing: (v: { port: number }) => `nothing listens on port ${v.port} at all: see port-closed`,
      covers: (v: { address: string; port: number; process: string; target: string }) =>
        `${v.address}:${v.port}${v.process} accepts connections to ${v.target}`,
      answered: (v: { connects: number; target: string; port: number }) =>
        `${v.connects} connects to ${v.target}:${v.port} were answered by SYN+ACK, whatever the listener's address`,
      only: (v: { list: string; target: string; port: number }) =>
        `port ${v.port} is listened on at ${v.list} only, not at ${v.target}`,
      onlyV6: (v: { address: string; port: number; process: string }) =>
        `the only listener is ${v.address}:${v.port}${v.process}: it may be IPv6-only (nginx sets that by default for [::]), then IPv4 is refused`,
      v6onlySetting: 'net.ipv6.bindv6only = 1: [::] does not accept IPv4 unless the application asks for it',
      reset: (v: { connects: number; target: string; port: number }) =>
        `${v.connects} connects to ${v.target}:${v.port} were answered by RST: the application sees "Connection refused"`,
      silent: (v: { syns: number; port: number }) =>
        `but ${v.syns} SYNs to port ${v.port} got no answer at all, not even an RST: something else drops them first`,
      notTried: (v: { why: string }) => `No refused connect was seen: ${v.why}`,
      noneSeen: 'no connect to the port came in the window',
      bind: (v: { target: string }) =>
        `Let the application listen on 0.0.0.0 (or on ${v.target} alone) in its configuration, then reload it`,
      bindV6: (v: { target: string }) =>
        `Let the application listen for IPv4 too: a second listen on 0.0.0.0 (or ${v.target}), or ipv6only=off`,
      risk: 'Exposes the service to the network: see that it is meant to be, and that it asks who is there',
    },
    zh: {
      ...captureText.zh,
      title: '端口只监听在别的地址上（如回环地址）',
      nothing: (v) => `端口 ${v.port} 完全没有进程监听：见 port-closed`,
      covers: (v) => `${v.address}:${v.port}${v.process} 接受到 ${v.target} 的连接`,
      answered: (v) => `到 ${v.target}:${v.port} 的 ${v.connects} 次连接收到了 SYN+ACK，与监听地址无关`,
      only: (v) => `端口 ${v.port} 只监听在 ${v.list}，没有监听 ${v.target}`,
      onlyV6: (v) =>
        `唯一的监听是 ${v.address}:${v.port}${v.process}：它可能只收 IPv6（nginx 的 [::] 默认如此），IPv4 就会被拒绝`,
      v6onlySetting: 'net.ipv6.bindv6only = 1：除非应用另行设置，[::] 不接受 IPv4',
      reset: (v) =>
        `到 ${v.target}:${v.port} 的 ${v.connects} 次连接被 RST 应答：应用看到“Connection refused（连接被拒绝）”`,
      silent: (v) => `但到端口 ${v.port} 的 ${v.syns} 个 SYN 完全没有应答，连 RST 都没有：是别的原因先丢弃了它们`,
      notTried: (v) => `没有看到被拒绝的连接：${v.why}`,
      noneSeen: '窗口内没有到该端口的连接',
      bind: (v) => `在应用配置里改为监听 0.0.0.0（或只监听 ${v.target}），然后重新加载`,
      bindV6: (v) => `让应用同时监听 IPv4：再加一个 0.0.0.0（或 ${v.target}）的监听，或设置 ipv6only=off`,
      risk: '会把服务暴露到网络：确认本该如此，并且服务有访问控制',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    const listening = listenersFor(facts.listeners, symptom.protocol, target);
    if (listening.onPort.length === 0)
      return ruledOut(because(say.nothing({ port: target.port }), fileOf(facts.listeners)));

    const blind = blindness(facts.capture, say);
    const capture = blind === null ? facts.capture : undefined;
    const seen = capture === undefined ? null : handshakesTo(capture, target);
    if (capture !== undefined && seen !== null && seen.answered.length > 0) {
      const answered = { connects: seen.answered.length, target: target.address, port: target.port };
      return ruledOut(because(say.answered(answered), capture.at));
    }
    const refusals: Because[] =
      capture === undefined || seen === null || seen.refused.length === 0
        ? []
        : [
            because(
              say.reset({ connects: seen.refused.length, target: target.address, port: target.port }),
              capture.at,
            ),
          ];

    const covering = listening.covering[0];
    if (covering !== undefined) {
      const shown = { address: covering.address, port: covering.port, process: processOf(covering) };
      if (!listening.onlyIfDual || refusals.length === 0) {
        return ruledOut(because(say.covers({ ...shown, target: target.address }), covering.at));
      }
      const setting = facts.sysctl?.[v6onlyKey];
      const v6only = setting?.value?.trim() === '1' ? [because(say.v6onlySetting, setting.at)] : [];
      const remedy: Remedy = application(say.bindV6({ target: target.address }));
      return likely([because(say.onlyV6(shown), covering.at), ...v6only, ...refusals], [remedy]);
    }

    const list = listening.onPort
      .slice(0, 4)
      .map((l) => `${l.address}${isLoopback(l.address) ? ' (loopback)' : ''}${processOf(l)}`)
      .join(', ');
    const only = because(
      say.only({ list, target: target.address, port: target.port }),
      listening.onPort[0]?.at ?? fileOf(facts.listeners),
    );
    const remedies: Remedy[] = [application(say.bind({ target: target.address }))];
    if (refusals.length > 0) return confirmed([only, ...refusals], remedies);
    if (capture !== undefined && seen !== null && seen.unansweredSyns > 0) {
      return likely(
        [only, because(say.silent({ syns: seen.unansweredSyns, port: target.port }), capture.at)],
        remedies,
      );
    }
    return likely(
      [only, because(say.notTried({ why: blind ?? say.noneSeen }), capture?.at ?? fileOf(listening.onPort))],
      remedies,
    );

    function application(text: string): Remedy {
      const letter = symptom.protocol === 'tcp' ? 't' : 'u';
      return {
        kind: 'application',
        node,
        text,
        commands: [`ss -ln${letter}p 'sport = :${target.port}'`],
        undo: [],
        risk: say.risk,
      };
    }
  },
});

const processOf = (listener: Listener): string => (listener.process === undefined ? '' : ` (${listener.process})`);
