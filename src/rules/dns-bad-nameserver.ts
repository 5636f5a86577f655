import * as z from 'zod';
import type { Capture, IcmpError } from '../model/facts.ts';
import type { DnsExchange } from '../model/packet-facts.ts';
import type { Because, KubeDraft, Remedy } from '../model/report.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import {
  askerStory,
  askingPod,
  clusterNamesText,
  dnsServiceAt,
  forwardsTo,
  forwardsToNode,
  podName,
  resolverOfPod,
  troublesOfServers,
  unreadNames,
} from './cluster-names.ts';
import { kubeBehind, readiness } from './cluster-view.ts';
import { dnsText, dnsWeakness, hasAddress, nameOf, watchedMs, withoutDns } from './dns-in-capture.ts';
import { groupBy } from './group-by.ts';
import { sameAddress } from './ip-address.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';
import { coreDnsCommands, dnsServersDraft, kubeObjectText } from './kube-objects.ts';

/** Answers that send the resolver on to the next server (resolv.conf(5), glibc res_send.c). */
const failures: readonly string[] = ['SERVFAIL', 'REFUSED'];

interface Server {
  readonly address: string;
  readonly exchanges: readonly DnsExchange[];
  readonly answered: number;
  /** Answers that are none of {@link failures}. */
  readonly useful: number;
  /** Questions without an answer that had time enough, or that ICMP turned down; repetitions included. */
  readonly ignored: number;
  /** ICMP errors about questions. */
  readonly icmp: readonly IcmpError[];
}
interface Accusation {
  readonly server: Server;
  readonly reasons: readonly Because[];
  readonly strength: 'confirmed' | 'likely';
}

/** F81: one of the name servers in use never answers, or answers nothing but SERVFAIL or REFUSED. */
export const dnsBadNameserver = defineCaptureRule({
  id: 'dns-bad-nameserver',
  fault: 'F81',
  scope: 'capture',
  optional: ['cluster'],
  params: z.strictObject({
    /** Time that a server has for an answer, milliseconds. */
    answerWithinMs: z.number().positive().default(2000),
    /** Questions that a server must have ignored, or failed, before it is accused. */
    minQuestions: z.number().int().min(1).default(2),
    /** A client that turned to another server after this time had waited for the first one, milliseconds. */
    minWaitMs: z.number().positive().default(900),
  }),
  sources: [
    'resolv.conf(5): nameserver, timeout, attempts',
    'glibc resolv/res_send.c: SERVFAIL, NOTIMP and REFUSED lead to the next server',
    'imroc/kubernetes-practice-guide, "DNS 解析异常": stale nameserver on the node',
  ],
  text: {
    en: {
      ...dnsText.en,
      ...kubeObjectText.en,
      ...clusterNamesText.en,
      title: 'A name server in use does not answer, or only with errors',
      dead: (v: { server: string; questions: number; frame: number }) =>
        `${v.server} answered none of ${v.questions} questions (the first is frame ${v.frame})`,
      turned: (v: { client: string; name: string; other: string; waitedSec: string; frame: number }) =>
        `${v.client} waited ${v.waitedSec} s for it, asked ${v.other} for ${v.name} instead (frame ${v.frame}), and was answered: every lookup that begins with the dead server is that much later`,
      icmp: (v: { errors: number; from: string; name: string; frame: number }) =>
        `${v.errors} of the questions were turned down by ICMP ${v.name} from ${v.from} (frame ${v.frame})`,
      otherAnswers: (v: { other: string; answered: number }) =>
        `${v.other} answered ${v.answered} questions in the same capture`,
      repeated: (v: { client: string; name: string; times: number }) =>
        `${v.client} asked it ${v.times} times for ${v.name}: it got nothing either`,
      noOther: 'No other server was asked, so it may as well be the way to it',
      fails: (v: { server: string; answered: number; rcodes: string; frame: number }) =>
        `${v.server} gave ${v.answered} answers, all of them ${v.rcodes} (the first is frame ${v.frame})`,
      otherKnows: (v: { name: string; other: string; rcode: string; frame: number }) =>
        `${v.other} answers ${v.rcode} to the same question about ${v.name} (frame ${v.frame})`,
      noneAnswers: (v: { questions: number }) =>
        `none of ${v.questions} questions has an answer and nobody asked again: the capture may hold one direction only`,
      tooFew: (v: { server: string; questions: number }) =>
        `${v.server} left ${v.questions} question without an answer: too few to tell`,
      tooShort: (v: { server: string; seconds: string }) =>
        `${v.server} has not answered, but the capture ends less than ${v.seconds} s after the question`,
      unmatched: (v: { server: string }) =>
        `packets of ${v.server} came, but they answer no question that can be read in this capture`,
      fine: (v: { servers: number; counts: string }) =>
        `all ${v.servers} name servers in use gave useful answers (${v.counts})`,
      ofPod: (v: { server: string; pod: string }) =>
        `Kubernetes: ${v.server} stands in the dnsConfig of pod ${v.pod} itself`,
      ofNode: (v: { server: string; pod: string; policy: string }) =>
        `Kubernetes: pod ${v.pod} has dnsPolicy ${v.policy} and does not name ${v.server} itself: it comes from the resolv.conf of its node`,
      corefile: 'CoreDNS: takes the server out of the Corefile; another one must be left beside it',
      find: (v: { server: string }) =>
        `Ask it directly, and find the file that names it (NetworkManager, DHCP, cloud-init and resolvconf write /etc/resolv.conf anew: correct their source, then take ${v.server} out). The address of a cluster's own DNS stays: find out why it is silent`,
      permanent: 'Remove it where it comes from, so that it does not return with the next DHCP lease or reboot',
      kubernetes:
        'CoreDNS with dnsPolicy Default takes its upstreams from the resolv.conf of its node: name good ones in the Corefile (`forward . GOOD_IP`), or correct the nodes and start CoreDNS again',
      riskFind: 'None: it only looks',
      riskRemove: 'Low, as long as another server is left that knows all names in use',
    },
    zh: {
      ...dnsText.zh,
      ...kubeObjectText.zh,
      ...clusterNamesText.zh,
      title: '使用中的 DNS 服务器不应答，或只返回错误',
      dead: (v) => `${v.server} 对 ${v.questions} 次查询一次都没有应答（第一个是第 ${v.frame} 帧）`,
      turned: (v) =>
        `${v.client} 等了它 ${v.waitedSec} 秒，才改向 ${v.other} 查询 ${v.name}（第 ${v.frame} 帧）并得到应答：每次先问到这台坏服务器的解析都会慢这么久`,
      icmp: (v) => `其中 ${v.errors} 个查询被 ${v.from} 用 ICMP ${v.name} 拒绝（第 ${v.frame} 帧）`,
      otherAnswers: (v) => `同一抓包中 ${v.other} 应答了 ${v.answered} 次查询`,
      repeated: (v) => `${v.client} 就 ${v.name} 问了它 ${v.times} 次：客户端同样没有收到应答`,
      noOther: '没有查询过其他服务器，因此也可能是到它的路径不通',
      fails: (v) => `${v.server} 应答了 ${v.answered} 次，全部是 ${v.rcodes}（第一个是第 ${v.frame} 帧）`,
      otherKnows: (v) => `同样查询 ${v.name}，${v.other} 返回 ${v.rcode}（第 ${v.frame} 帧）`,
      noneAnswers: (v) => `${v.questions} 个查询都没有应答，也没有人重新查询：可能只抓到了一个方向`,
      tooFew: (v) => `${v.server} 有 ${v.questions} 个查询没有应答：次数太少，无法判断`,
      tooShort: (v) => `${v.server} 没有应答，但抓包在查询之后不到 ${v.seconds} 秒就结束了`,
      unmatched: (v) => `${v.server} 有包返回，但和抓包中能读出的查询对不上`,
      fine: (v) => `使用中的 ${v.servers} 台 DNS 服务器都有正常应答（${v.counts}）`,
      ofPod: (v) => `Kubernetes：${v.server} 写在 Pod ${v.pod} 自己的 dnsConfig 中`,
      ofNode: (v) =>
        `Kubernetes：Pod ${v.pod} 的 dnsPolicy 为 ${v.policy}，自己没有写 ${v.server}：它来自所在节点的 resolv.conf`,
      corefile: 'CoreDNS：从 Corefile 中去掉这台服务器；必须还留有另一台',
      find: (v) =>
        `先直接向它查询，再找出是哪个文件配置了它（NetworkManager、DHCP、cloud-init、resolvconf 会重写 /etc/resolv.conf：要改源头，再去掉 ${v.server}）。如果它是集群自己的 DNS 地址就保留，去查它为什么不应答`,
      permanent: '从配置来源处删除，否则下次 DHCP 续租或重启后又会回来',
      kubernetes:
        'CoreDNS 的 dnsPolicy 为 Default 时，上游取自所在节点的 resolv.conf：在 Corefile 里写明可用的上游（`forward . 可用IP`），或修正节点后重启 CoreDNS',
      riskFind: '无：只是查看',
      riskRemove: '低：前提是剩下的服务器能解析所有在用的域名',
    },
  },
  evaluate({ capture, place, facts, params, say }) {
    const without = withoutDns(capture, place, say);
    if (without !== null) return without;
    const servers = serversOf(capture, params.answerWithinMs);
    const good = servers.filter(({ useful }) => useful > 0);
    const weak = dnsWeakness(capture, say);
    const useful = capture.dns.filter(isUseful);
    const usefulByQuestion = groupBy(useful, (e) => `${nameOf(e)} ${e.type}`);

    const accusations = servers.flatMap((server): Accusation[] => deadOf(server) ?? failingOf(server) ?? []);
    if (accusations.length > 0) {
      const reasons = worstFirst(accusations, ({ server }) => server.ignored + server.answered).flatMap(
        (a) => a.reasons,
      );
      const addresses = accusations.map(({ server }) => server.address);
      const objects = accusations.slice(0, 2).flatMap(({ server }) => originOf(server));
      const told = [...reasons, ...objects, ...unreadNames(facts.cluster, say)];
      const remedies = remediesFor(addresses, accusations[0]?.server);
      return accusations.some(({ strength }) => strength === 'confirmed')
        ? confirmed(told, remedies)
        : likely(told, remedies);
    }
    const silent = servers.filter(({ answered }) => answered === 0);
    const worst = worstFirst(silent, ({ ignored }) => ignored)[0];
    if (worst !== undefined) return undecided('capture', place, weak ?? whyOpen(worst));
    if (good.length === 0) return undecided('capture', place, say.noneAnswers({ questions: capture.dns.length }));
    const counts = worstFirst(good, ({ answered }) => answered)
      .map(({ address, answered, exchanges }) => `${address} ${answered}/${exchanges.length}`)
      .join(', ');
    return ruledOut(because(say.fine({ servers: good.length, counts }), capture.at));

    /** Why a server without answers is not accused. */
    function whyOpen({ address, ignored }: Server): string {
      if (answersAtAll(capture, address)) return say.unmatched({ server: address });
      if (ignored === 0) return say.tooShort({ server: address, seconds: secondsText(params.answerWithinMs) });
      if (good.length === 0 && ignored >= params.minQuestions) return say.noneAnswers({ questions: ignored });
      return say.tooFew({ server: address, questions: ignored });
    }

    function deadOf(server: Server): Accusation[] | null {
      const first = server.exchanges[0];
      if (server.answered > 0 || server.ignored < params.minQuestions || first === undefined) return null;
      if (answersAtAll(capture, server.address)) return null;
      const reasons = [
        because(say.dead({ server: server.address, questions: server.ignored, frame: first.frame }), capture.at),
      ];
      const [error] = server.icmp;
      if (error !== undefined) {
        const { from, name, frame } = error;
        reasons.push(because(say.icmp({ errors: server.icmp.length, from, name, frame }), capture.at));
      }
      const turned = turnedFrom(server);
      if (turned !== null) {
        reasons.push(turned);
        // both questions of one look-up go out in one moment, and may be lost in it
        return [{ server, reasons, strength: weak === null && isRepeated(server) ? 'confirmed' : 'likely' }];
      }
      if (weak !== null) return null;
      const other = worstFirst(good, ({ answered }) => answered)[0];
      if (other !== undefined) {
        reasons.push(because(say.otherAnswers({ other: other.address, answered: other.answered }), capture.at));
        return [{ server, reasons, strength: 'likely' }];
      }
      const repeated = repeatedTo(server, params.minWaitMs);
      if (repeated === null && error === undefined) return null;
      if (repeated !== null) reasons.push(because(say.repeated(repeated), capture.at));
      reasons.push(because(say.noOther, capture.at));
      return [{ server, reasons, strength: 'likely' }];
    }

    /** A client that was kept waiting and got its answer elsewhere. */
    function turnedFrom(server: Server): Because | null {
      for (const ignored of server.exchanges) {
        for (const other of usefulByQuestion.get(`${nameOf(ignored)} ${ignored.type}`) ?? []) {
          const waitedMs = other.atMs - ignored.atMs;
          if (other.client.address !== ignored.client.address || waitedMs < params.minWaitMs || waitedMs > 30_000)
            continue;
          return because(
            say.turned({
              client: ignored.client.address,
              name: ignored.name,
              other: other.server.address,
              waitedSec: secondsText(waitedMs),
              frame: other.frame,
            }),
            capture.at,
          );
        }
      }
      return null;
    }

    function failingOf(server: Server): Accusation[] | null {
      const answers = server.exchanges.filter(({ answer }) => answer !== null);
      const first = answers[0];
      if (server.useful > 0 || answers.length < params.minQuestions || first === undefined) return null;
      const rcodes = [...new Set(answers.map(({ answer }) => answer?.rcode ?? ''))].sort().join(', ');
      const reasons = [
        because(
          say.fails({
            server: server.address,
            answered: answers.length,
            rcodes,
            frame: first.answer?.frame ?? first.frame,
          }),
          capture.at,
        ),
      ];
      const others = answers.flatMap((failed) => usefulByQuestion.get(`${nameOf(failed)} ${failed.type}`) ?? []);
      // that a name does not exist is no use to anybody: only an address is what was withheld
      const other = others.find(hasAddress) ?? others[0];
      if (other?.answer === undefined || other.answer === null) return [{ server, reasons, strength: 'likely' }];
      const { rcode, frame } = other.answer;
      reasons.push(
        because(say.otherKnows({ name: other.name, other: other.server.address, rcode, frame }), capture.at),
      );
      return [{ server, reasons, strength: hasAddress(other) ? 'confirmed' : 'likely' }];
    }

    /** Where the server comes from, and what Kubernetes knows of it. */
    function originOf({ address, exchanges }: Server): readonly Because[] {
      const { cluster } = facts;
      const client = exchanges[0]?.client.address ?? '';
      const served = dnsServiceAt(cluster, address);
      if (cluster !== undefined && served !== undefined) {
        const known = kubeBehind(cluster, { address, port: 53 }, 'udp');
        return [...(known === null ? [] : [readiness(known, say)]), ...troublesOfServers(cluster, served, say)];
      }
      const forwarded = [...askerStory(cluster, client, say), ...forwardsTo(cluster, address, say)];
      const viaNode = forwardsToNode(cluster);
      if (forwarded.length === 1 && viaNode !== undefined)
        forwarded.push(because(say.dnsForwardsNode({ where: viaNode.where }), viaNode.at));
      if (forwarded.length > 0) return forwarded;
      const pod = askingPod(cluster, client);
      if (pod === null) return [];
      const isOwn = pod.dnsConfig?.nameservers.some((one) => sameAddress(one, address)) === true;
      const values = { server: address, pod: podName(pod) };
      return isOwn
        ? [because(say.ofPod(values), pod.at)]
        : pod.dnsPolicy === 'Default'
          ? [because(say.ofNode({ ...values, policy: pod.dnsPolicy }), pod.at)]
          : [resolverOfPod(pod, say)];
    }

    /** The servers that the pod names itself, less those that are of no use. */
    function draftsFor(addresses: readonly string[], first: Server | undefined): readonly KubeDraft[] {
      const pod = askingPod(facts.cluster, first?.exchanges[0]?.client.address ?? '');
      const own = pod?.dnsConfig?.nameservers ?? [];
      const left = own.filter((one) => !addresses.some((address) => sameAddress(one, address)));
      return left.length === 0 || left.length === own.length ? [] : [dnsServersDraft(left, say)];
    }

    function remediesFor(addresses: readonly string[], first: Server | undefined): Remedy[] {
      const shown = addresses.slice(0, 3);
      const listed = shown.filter(
        (address) => /^[0-9a-f.:]+$/i.test(address) && forwardsTo(facts.cluster, address, say).length > 0,
      );
      const drafts = draftsFor(addresses, first);
      return [
        {
          kind: 'temporary',
          text: say.find({ server: shown.join(', ') }),
          commands: shown.flatMap((address) => [
            `dig +time=2 +tries=1 @${address} . NS`,
            `grep -rnF -e ${address} /etc/resolv.conf /etc/NetworkManager /etc/systemd /etc/netplan /etc/resolvconf /run/systemd/resolve`,
          ]),
          undo: [],
          risk: say.riskFind,
        },
        { kind: 'permanent', text: say.permanent, commands: [], undo: [], risk: say.riskRemove },
        {
          kind: 'kubernetes',
          text: listed.length === 0 ? say.kubernetes : say.corefile,
          commands: [
            ...coreDnsCommands(
              listed.length === 0
                ? String.raw`s#forward \. /etc/resolv\.conf#forward . GOOD_IP#`
                : listed
                    .map(
                      (address) =>
                        String.raw`/^ *forward /s#[[:space:]]${address.replaceAll('.', String.raw`\.`)}(:53)?([[:space:]]|$)#\2#`,
                    )
                    .join('; '),
            ),
          ],
          undo: [],
          risk: say.riskRemove,
          ...(drafts.length === 0 ? {} : { objects: [...drafts] }),
        },
      ];
    }
  },
});

/** More than one look-up was ignored: for several names, or over some time. */
function isRepeated({ exchanges }: Server): boolean {
  const names = new Set(exchanges.map(nameOf));
  const times = exchanges.map(({ atMs }) => atMs);
  return names.size > 1 || Math.max(...times) - Math.min(...times) >= 900;
}

function isUseful({ answer }: DnsExchange): boolean {
  return answer !== null && !failures.includes(answer.rcode);
}

function serversOf(capture: Capture, answerWithinMs: number): readonly Server[] {
  const errors = capture.icmpErrors.filter(({ about }) => about.protocol === 17 && about.destinationPort === 53);
  return [...groupBy(capture.dns, ({ server }) => server.address)].map(([address, exchanges]) => {
    const icmp = errors.filter(({ about }) => about.destination === address);
    const turnedDown = new Set(icmp.map(({ about }) => `${about.source} ${about.sourcePort ?? ''}`));
    return {
      address,
      exchanges,
      answered: exchanges.filter(({ answer }) => answer !== null).length,
      useful: exchanges.filter(isUseful).length,
      ignored: exchanges
        .filter(
          (exchange) =>
            exchange.answer === null &&
            (watchedMs(capture, exchange) >= answerWithinMs ||
              turnedDown.has(`${exchange.client.address} ${exchange.client.port}`)),
        )
        .reduce((sum, { queries }) => sum + queries, 0),
      icmp,
    };
  });
}

/** Packets of the server's port came, even where they match no question of the capture. */
function answersAtAll(capture: Capture, address: string): boolean {
  return capture.udp.some(
    ({ server, packets }) => server.address === address && server.port === 53 && packets.server > 0,
  );
}

/** A client that asked the same thing again after waiting: what proves that it got no answer either. */
function repeatedTo(
  server: Server,
  minWaitMs: number,
): { readonly client: string; readonly name: string; readonly times: number } | null {
  const groups = groupBy(server.exchanges, (e) => `${e.client.address} ${nameOf(e)} ${e.type}`);
  for (const group of groups.values()) {
    const first = group[0];
    const last = group.at(-1);
    if (first === undefined || last === undefined) continue;
    const times = group.reduce((sum, { queries }) => sum + queries, 0);
    if (times > group.length || last.atMs - first.atMs >= minWaitMs)
      return { client: first.client.address, name: first.name, times };
  }
  return null;
}
