import type { Remedy } from '../../src/model/report.ts';
import type { Outcome } from '../../src/model/rule.ts';
import { safePodSysctls } from '../../src/rules/pod-sysctls.ts';

/** Rules that may be `confirmed` without a remedy, and why there is none. */
export const withoutRemedy: Readonly<Record<string, string>> = {};

interface Never {
  /** Ids of rules, or all. */
  readonly rules: readonly string[] | 'all';
  /** In a command that is to be run (never in an undo: that puts back what was there). */
  readonly command?: RegExp;
  /** In a sentence, unless the sentence says that it does not help. */
  readonly sentence?: RegExp;
  readonly why: string;
}

/** What people do about these faults, and what does not help or makes it worse. */
export const neverRecommend: readonly Never[] = [
  {
    rules: ['tw-recycle', 'tw-recycle-suspected'],
    command: /tcp_tw_reuse|tcp_timestamps/,
    sentence: /tcp_tw_reuse|tcp_timestamps/,
    why: 'F01: tcp_tw_reuse concerns outgoing connects only; SYNs without timestamps are dropped by later kernels too',
  },
  {
    rules: 'all',
    command: /tcp_tw_recycle\s*=\s*1/,
    why: 'F01: it drops clients behind NAT',
  },
  {
    rules: ['ipvs-stale-rs'],
    command: /preStop/i,
    sentence: /preStop/i,
    why: 'F62: the pod is gone already; the old entry is what sends packets there',
  },
  {
    rules: ['ipvs-1s-connect'],
    command: /conn_reuse_mode\s*=\s*1/,
    why: 'F63: that is the cause',
  },
  {
    rules: ['martian-local-source', 'lb-loopback'],
    command: /accept_local/,
    sentence: /accept_local/,
    why: 'F06: the answer to an address of the node never leaves it',
  },
  {
    rules: ['ipvs-idle-timeout', 'idle-reset', 'half-open', 'half-open-peer', 'dead-peer-retries2'],
    command: /^(?!kubectl).*tcp_keepalive_(?:time|intvl|probes)/,
    why: 'F60: without SO_KEEPALIVE the setting does nothing, and that of the node does not reach pods',
  },
  {
    rules: ['close-wait'],
    command: /sysctl -w/,
    why: 'F33: only the application can close its sockets',
  },
  {
    rules: ['zero-window', 'nagle-delack', 'rst-on-close'],
    command: /sysctl -w|tcp_rmem|tcp_wmem/,
    why: 'F34, F96, F99: the application does not read, writes in pieces, or closes too early; buffers do not change that',
  },
  {
    rules: ['conntrack-full'],
    command: /nf_conntrack_tcp_timeout_established/,
    why: 'F13, F61: a short time-out breaks idle connections',
  },
  {
    rules: ['conntrack-invalid-rst'],
    command: /-D KUBE-FORWARD/,
    why: 'F16: kube-proxy puts the rule back',
  },
  {
    rules: 'all',
    command:
      /-P (?:INPUT|FORWARD|OUTPUT) ACCEPT|iptables(?:-legacy)? (?:-t \w+ )?-F\b|nft flush|systemctl (?:stop|disable) (?:firewalld|ufw|nftables)/,
    why: 'F08-F11: opens everything where one accept is enough',
  },
  {
    rules: ['rp-filter-drop'],
    command: /rp_filter\s*=\s*0/,
    why: 'F05: the larger of all and the device counts; loose mode (2) is enough',
  },
  {
    rules: 'all',
    command: /tcp_abort_on_overflow\s*=\s*1|tcp_syncookies\s*=\s*0|tcp_syncookies\s*=\s*2/,
    why: 'F02-F04: resets or loses what would have been queued',
  },
  {
    rules: ['dns-5s'],
    command: /use-vc|nscd/,
    sentence: /use-vc/,
    why: 'F80: it did not help in the tests that we know',
  },
  {
    rules: ['tw-bucket-overflow', 'ephemeral-exhaustion', 'accept-queue-overflow', 'syn-queue-overflow'],
    command: /tcp_tw_recycle|tcp_fin_timeout/,
    why: 'F30, F31: TIME_WAIT lasts 60 s whatever tcp_fin_timeout says (it is about FIN-WAIT-2)',
  },
  {
    rules: ['path-drop', 'path-loss', 'ipip-blocked', 'vxlan-blocked', 'cloud-allowance', 'rst-injected'],
    command: /sysctl -w/,
    why: 'F12, F50, F51, F93, F95, F100: no setting of the node mends what happens between the nodes',
  },
  {
    rules: ['mtu-too-small', 'mtu-blackhole', 'cni-mtu-mismatch', 'frag-needed-ignored'],
    command: /-A FORWARD .*TCPMSS|ip_no_pmtu_disc/,
    why: 'F40: connections through IPVS do not pass FORWARD; without PMTU discovery the segments are cut on the way',
  },
];

/** Words by which a sentence says that something is no remedy. */
const denies =
  /\bnot?\b|\bnever\b|does nothing|do nothing|worse|without|不|无效|没有|并非|更糟|更严重|只影响|只对|掩盖/i;

/** Settings that no network namespace has of its own: a pod cannot have them. */
const ofTheNode =
  /^net\.(?:netfilter\.nf_conntrack_(?:max|buckets)|ipv[46]\.neigh\.|ipv4\.vs\.|ipv4\.tcp_mem\b|core\.(?:netdev_|rmem_|wmem_)|bridge\.|ipv4\.tcp_max_orphans)/;

/** What is wrong with the remedies that a rule gave, one sentence each. */
export function auditRemedies(
  rule: string,
  { verdict, remedies }: Pick<Outcome, 'verdict' | 'remedies'>,
): readonly string[] {
  if (verdict === 'confirmed' && remedies.length === 0)
    return withoutRemedy[rule] === undefined ? ['it is confirmed and gives no remedy'] : [];
  return remedies.flatMap((remedy) => problemsOf(rule, remedy));
}

function problemsOf(rule: string, { kind, text = '', commands, undo, risk }: Remedy): readonly string[] {
  const problems: string[] = [];
  if (text.trim() === '' && commands.length === 0) problems.push('a remedy says nothing');
  if (risk.trim() === '') problems.push(`"${text}" does not say its risk`);
  const sentences = text.split(/(?<=[.;:；。：])\s*/);
  for (const never of neverRecommend) {
    if (never.rules !== 'all' && !never.rules.includes(rule)) continue;
    const bad = [
      ...commands.filter((command) => never.command?.test(command)),
      ...sentences.filter((sentence) => never.sentence?.test(sentence) === true && !denies.test(sentence)),
    ];
    problems.push(...bad.map((one) => `never recommend "${one}" (${never.why})`));
  }
  // what is set can be put back, where its value was known
  for (const key of undo.flatMap(settingsWritten))
    if (!commands.some((command) => command.includes(key))) problems.push(`the undo writes ${key}, which was not set`);

  const pod = /securityContext|initContainer/.test(`${text} ${commands.join(' ')}`);
  const keys = [...new Set(`${text} ${commands.join(' ')}`.match(/\bnet\.[a-z0-9_]+(?:\.[a-z0-9_]+)+/g) ?? [])];
  if (pod && keys.length > 0 && kind !== 'kubernetes')
    problems.push(`settings of a pod are a Kubernetes remedy, not a ${kind} one: "${text}"`);
  if (pod)
    for (const key of keys) {
      if (ofTheNode.test(key)) problems.push(`${key} belongs to the node: no pod can set it`);
      else if (key in safePodSysctls) {
        if (!/safe sysctl|安全 sysctl/.test(text))
          problems.push(`${key} is a safe sysctl, and "${text}" does not say so`);
        for (const since of Object.values(safePodSysctls[key] ?? {}))
          if (!text.includes(since)) problems.push(`"${text}" does not say that ${key} is safe from ${since} on`);
      } else if (!/unsafe/.test(text) || !/--allowed-unsafe-sysctls/.test(text))
        problems.push(`${key} is unsafe, and "${text}" does not name --allowed-unsafe-sysctls`);
    }
  return problems;
}

function settingsWritten(command: string): readonly string[] {
  return [...command.matchAll(/sysctl -w '?([a-z0-9_.@/-]+)=/g)].map((match) => match[1] ?? '');
}
