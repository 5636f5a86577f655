import type { Remedy } from '../model/report.ts';
import type { KubePod } from '../model/cluster-objects.ts';
import { dnsOptionDraft, dnsSearchesDraft, kubeObjectText } from './kube-objects.ts';

/** Sentences of the remedies against a search domain that answers for other names. */
export const searchDomainText = {
  en: {
    ...kubeObjectText.en,
    find: 'Compare the name with and without the dot at its end, and find where the search domain comes from (NetworkManager, DHCP, cloud-init write /etc/resolv.conf anew)',
    takeOut: 'Takes the search domain out of resolv.conf now; running programs read it anew, some only after a restart',
    dotAtEnd: 'Write the name with a dot at its end in the configuration of the application: no search domain is tried',
    permanent: (v: { domains: string }) =>
      `Take ${v.domains} out of the \`search\` line of the nodes (NetworkManager: \`ipv4.ignore-auto-dns yes\` and an empty \`ipv4.dns-search\`), or the wildcard record out of that zone`,
    kubernetes:
      'Pods inherit the search list of the node (dnsPolicy ClusterFirst and Default): point kubelet `--resolv-conf` at a file without it, or set `dnsConfig.searches` with dnsPolicy None; start the pods again',
    riskLook: 'None: it only looks',
    riskName: 'Low',
    riskPermanent: 'Medium: short names that relied on this domain stop working',
  },
  zh: {
    ...kubeObjectText.zh,
    find: '分别解析末尾加点和不加点的域名进行比较，并找出搜索域的来源（NetworkManager、DHCP、cloud-init 会重写 /etc/resolv.conf）',
    takeOut: '立即从 resolv.conf 去掉该搜索域；运行中的程序会重新读取，有些要重启后才生效',
    dotAtEnd: '应用配置里的域名末尾加点：不再尝试搜索域',
    permanent: (v: { domains: string }) =>
      `从节点的 \`search\` 行去掉 ${v.domains}（NetworkManager：\`ipv4.ignore-auto-dns yes\`，并清空 \`ipv4.dns-search\`），或删除该域的泛解析记录`,
    kubernetes:
      'Pod 会继承节点的搜索域（dnsPolicy 为 ClusterFirst 或 Default）：让 kubelet 的 `--resolv-conf` 指向不含该域的文件，或用 dnsPolicy None 加 `dnsConfig.searches`；然后重建 Pod',
    riskLook: '无：只是查看',
    riskName: '低',
    riskPermanent: '中：依赖该搜索域的短名将无法解析',
  },
} as const;

type SearchDomainSentences = (typeof searchDomainText)['en'] | (typeof searchDomainText)['zh'];

const copy = '/root/resolv.conf.before-netcheck';

/**
 * Look, take it out for now where the node is known, write names in full, take it out for good.
 *
 * @param names compared as they are: short names of DNS, as they were looked up
 */
export function searchDomainRemedies({
  node,
  domains,
  names,
  say,
  pod,
}: {
  readonly node?: string;
  readonly domains: readonly string[];
  readonly names: readonly string[];
  readonly say: SearchDomainSentences;
  /** That looked them up, as Kubernetes has it. */
  readonly pod?: Pick<KubePod, 'dnsConfig'> | null;
}): Remedy[] {
  const where = node === undefined ? {} : { node };
  const own = pod?.dnsConfig?.searches ?? [];
  const left = own.filter((one) => !domains.some((domain) => isSameDomain(one, domain)));
  const isOwn = left.length < own.length;
  const safe = domains.filter((domain) => /^[\w.-]+$/.test(domain));
  const look = ['grep -nE "^(search|domain)" /etc/resolv.conf', ...names.map((name) => `getent ahosts ${name}`)];
  const takeOut: Remedy[] =
    node === undefined || safe.length === 0
      ? []
      : [
          {
            kind: 'temporary',
            node,
            text: say.takeOut,
            commands: [
              `cp -L /etc/resolv.conf ${copy}`,
              ...safe.map(
                (domain) =>
                  `sed -i --follow-symlinks -E '/^(search|domain)[[:space:]]/s/[[:space:]]+${domain.replaceAll('.', String.raw`\.`)}\\.?([[:space:]]|$)/\\1/' /etc/resolv.conf`,
              ),
            ],
            undo: [`cp ${copy} /etc/resolv.conf`],
            risk: say.riskPermanent,
          },
        ];
  return [
    ...takeOut,
    { kind: 'temporary', ...where, text: say.find, commands: look, undo: [], risk: say.riskLook },
    { kind: 'application', text: say.dotAtEnd, commands: [], undo: [], risk: say.riskName },
    {
      kind: 'permanent',
      ...where,
      text: say.permanent({ domains: domains.join(', ') }),
      commands: [],
      undo: [],
      risk: say.riskPermanent,
    },
    {
      kind: 'kubernetes',
      text: say.kubernetes,
      commands: [],
      undo: [],
      risk: say.riskPermanent,
      // the search list stays, and is asked after the name itself; where the pod names the domain itself it goes
      objects: [
        isOwn
          ? dnsSearchesDraft(left, say)
          : dnsOptionDraft(say.kubeNdots({ ndots: '1' }), 'ndots', '1', pod?.dnsConfig?.options),
      ],
    },
  ];
}

/** Names are compared without case and without the root. */
export function isSameDomain(one: string, other: string): boolean {
  const plain = (domain: string): string => domain.toLowerCase().replace(/\.$/, '');
  return plain(one) === plain(other);
}
