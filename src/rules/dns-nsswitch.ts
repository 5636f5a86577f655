import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule, type Outcome } from '../model/rule.ts';
import { because } from './because.ts';
import { clusterText, kubePodAt } from './cluster-view.ts';
import { podName } from './cluster-names.ts';
import { dnsText, nameOf } from './dns-in-capture.ts';
import { blindness } from './capture-weakness.ts';
import { isLoopback, sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

const file = '/etc/nsswitch.conf';

/** A line of `hostAliases`, one name of it. */
interface Alias {
  readonly name: string;
  readonly address: string;
  readonly pod: string;
  readonly at: At;
}

/** F86: names that stand in /etc/hosts are asked of DNS, because nothing says that the file comes first. */
export const dnsNsswitch = defineNodeRule({
  id: 'dns-nsswitch',
  fault: 'F86',
  scope: 'node',
  anyProtocol: true,
  roles: ['client'],
  needs: ['resolver', 'capture'],
  optional: ['features', 'addresses', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'nsswitch.conf(5)',
    'Go net/conf.go (without nsswitch.conf: DNS before files until Go 1.16)',
    'golang/go#35305 (and glibc of that time), golang/go#22846; imroc kubernetes-practice-guide (API server latency)',
  ],
  text: {
    en: {
      ...dnsText.en,
      ...clusterText.en,
      title: 'Names of /etc/hosts are asked of DNS first (nsswitch.conf)',
      notRead: (v: { file: string }) => `${v.file} was not read`,
      order: (v: { sources: string }) => `nsswitch.conf: hosts: ${v.sources} (files come first)`,
      absent: 'There is no /etc/nsswitch.conf: programs of Go before 1.16 then ask DNS before /etc/hosts',
      dnsFirst: (v: { sources: string }) => `nsswitch.conf: hosts: ${v.sources} (DNS comes before files)`,
      asked: (v: { name: string; address: string; questions: number; server: string }) =>
        `${v.name} stands in /etc/hosts (${v.address}), and ${v.server} was asked for it ${v.questions} times`,
      notAsked: (v: { names: number }) => `none of the ${v.names} names of /etc/hosts was asked of DNS in the window`,
      aliased: (v: { name: string; address: string; pod: string }) =>
        `Kubernetes: ${v.name} (${v.address}) stands in hostAliases of pod ${v.pod}, so the kubelet writes it into its /etc/hosts`,
      aliasAsked: (v: { name: string; questions: number; server: string }) =>
        `${v.server} was asked for ${v.name} ${v.questions} times from this pod`,
      remedy: 'Lets /etc/hosts come first',
      image:
        'In the image of the container: the same line in its Dockerfile; or build the program with Go 1.16 or newer',
      risk: 'Low: what stands in /etc/hosts then hides the DNS records of the same names',
    },
    zh: {
      ...dnsText.zh,
      ...clusterText.zh,
      title: '/etc/hosts 里的名字先去问了 DNS（nsswitch.conf）',
      notRead: (v) => `没有读到 ${v.file}`,
      order: (v) => `nsswitch.conf：hosts: ${v.sources}（files 在前）`,
      absent: '没有 /etc/nsswitch.conf：此时 Go 1.16 之前的程序会先问 DNS 再看 /etc/hosts',
      dnsFirst: (v) => `nsswitch.conf：hosts: ${v.sources}（DNS 在 files 之前）`,
      asked: (v) => `${v.name} 在 /etc/hosts 里（${v.address}），但仍向 ${v.server} 查询了 ${v.questions} 次`,
      notAsked: (v) => `窗口内 /etc/hosts 里的 ${v.names} 个名字都没有去问 DNS`,
      aliased: (v) =>
        `Kubernetes：${v.name}（${v.address}）写在 Pod ${v.pod} 的 hostAliases 中，kubelet 会把它写进 /etc/hosts`,
      aliasAsked: (v) => `这个 Pod 向 ${v.server} 查询了 ${v.name} ${v.questions} 次`,
      remedy: '让 /etc/hosts 优先',
      image: '在容器镜像里：Dockerfile 中加入同样一行；或用 Go 1.16 以上版本编译程序',
      risk: '低：/etc/hosts 中的名字会盖住同名的 DNS 记录',
    },
  },
  evaluate({ node, facts, plan, say }) {
    const { nameServices, hosts } = facts.resolver;
    const sources = nameServices?.hosts;
    const isAbsent = nameServices === undefined && facts.features?.files.includes(file) === false;
    if (nameServices === undefined && !isAbsent) return undecided('resolver', node, say.notRead({ file }));
    const words = sources?.sources.filter((one) => !one.startsWith('[')) ?? [];
    const dnsAt = words.indexOf('dns');
    const filesAt = words.indexOf('files');
    if (sources !== undefined && (dnsAt === -1 || (filesAt !== -1 && filesAt < dnsAt)))
      return ruledOut(because(say.order({ sources: sources.sources.join(' ') }), sources.at));
    const { capture } = facts;
    const blind = blindness(capture, say);
    // pods on this node have hosts files of their own
    const planned = plan.nodes.filter((one) => one.node.name === node).map(({ address }) => address);
    const aliases = aliasesOf(planned);
    if (hosts === undefined) {
      const told = blind === null ? askedAlias() : undefined;
      return told ?? undecided('resolver', node, say.notRead({ file: '/etc/hosts' }));
    }
    if (blind !== null) return undecided('capture', node, blind);
    if (hosts.length === 0) return notApplicable(because(say.notAsked({ names: 0 }), capture.at));

    const own = [...planned, ...(facts.addresses ?? []).map(({ address }) => address)];
    const questions = capture.dns.filter(
      ({ client }) => isLoopback(client.address) || own.some((one) => sameAddress(one, client.address)),
    );
    for (const { address, names, at } of hosts)
      for (const name of names) {
        const asked = questions.filter((one) => isName(nameOf(one), name.toLowerCase()));
        const [first] = asked;
        if (first === undefined) continue;
        const server = first.server.address;
        return confirmed(
          [
            sources === undefined
              ? because(say.absent, facts.features?.at ?? at)
              : because(say.dnsFirst({ sources: sources.sources.join(' ') }), sources.at),
            because(say.asked({ name, address, questions: asked.length, server }), at),
            ...aliases.filter((one) => isName(name.toLowerCase(), one.name.toLowerCase())).map(aliasWords),
          ],
          remedies(),
        );
      }
    return ruledOut(
      because(say.notAsked({ names: hosts.reduce((sum, { names }) => sum + names.length, 0) }), capture.at),
    );

    /** Names that the pod is given by its object; its file need not have been read. */
    function aliasesOf(addresses: readonly string[]): readonly Alias[] {
      const { cluster } = facts;
      const pod = cluster && addresses.map((one) => kubePodAt(cluster, one)).find((one) => one !== undefined);
      if (pod === undefined) return [];
      return (pod.hostAliases ?? []).flatMap(({ address, names }) =>
        names.map((name) => ({ name, address, pod: podName(pod), at: pod.at })),
      );
    }

    function aliasWords({ name, address, pod, at }: Alias): Because {
      return because(say.aliased({ name, address, pod }), at);
    }

    /** Without the file: the object of the pod says what is in it, and that DNS was asked is the effect. */
    function askedAlias(): Outcome | undefined {
      for (const alias of aliases) {
        const asked = capture.dns.filter(
          (one) =>
            planned.some((address) => sameAddress(address, one.client.address)) &&
            isName(nameOf(one), alias.name.toLowerCase()),
        );
        const [first] = asked;
        if (first === undefined) continue;
        const values = { name: alias.name, questions: asked.length, server: first.server.address };
        const order =
          sources === undefined
            ? because(say.absent, facts.features?.at ?? alias.at)
            : because(say.dnsFirst({ sources: sources.sources.join(' ') }), sources.at);
        return likely([order, aliasWords(alias), because(say.aliasAsked(values), capture.at)], remedies());
      }
      return undefined;
    }

    function remedies(): Remedy[] {
      return [
        {
          kind: 'permanent',
          node,
          text: say.remedy,
          commands:
            sources === undefined
              ? [`echo 'hosts: files dns' > ${file}`]
              : [`sed -i 's/^hosts:.*/hosts: files dns/' ${file}`],
          undo: sources === undefined ? [`rm ${file}`] : [],
          risk: say.risk,
        },
        { kind: 'application', text: say.image, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});

/** The name as it stands, or with the root. */
function isName(asked: string, name: string): boolean {
  return asked === name || asked === `${name}.`;
}
