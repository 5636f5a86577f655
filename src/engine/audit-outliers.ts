import type { AuditNormal, AuditOutlier } from '../model/audit-report.ts';
import { naturalOrder } from '../model/natural-order.ts';
import type { NodeAudit } from '../model/node-audit.ts';
import type { AuditText } from './audit-wording.ts';

/** A fact is normal where so large a share of a group has one value; a fleet of two halves has no outliers. */
const normalShare = 0.75;
/** Fewer nodes than this are no crowd to differ from; they are not compared with other groups, which may be meant to differ. */
const smallestGroup = 4;
/** Bounds of memory per fact and group: different values, and names kept of each. */
const mostValues = 40;
const mostNames = 200;
/** Names and values in one sentence. */
const namesShown = 5;
const valuesShown = 3;

/** Known to hurt where two nodes differ, or on the one that has less. */
const risky =
  /^(?:mtu of |offload |policy of |nameservers|search domains|resolver options|hosts in nsswitch|kube-proxy mode|ipvs timeouts|net\.(?:core\.(?:somaxconn|netdev_max_backlog)|ipv[46]\.(?:tcp_(?:tw_recycle|tw_reuse|timestamps|syncookies|max_syn_backlog|mtu_probing|sack|window_scaling|abort_on_overflow|keepalive_\w+|retries2|fin_timeout)|ip_forward|ip_local_\w+|conf\.(?:all|default)\.(?:rp_filter|forwarding|arp_\w+|accept_local)|neigh\.default\.gc_thresh\d)|netfilter\.nf_conntrack_\w+|bridge\.bridge-nf-call-iptables))/;

interface Tally {
  total: number;
  /** More than `mostValues` different ones: such a fact is a machine's own. */
  scattered: boolean;
  readonly values: Map<string, { count: number; readonly names: string[] }>;
}

/** What a node has where nearly all others have the usual; in words. */
export interface RiskyDifference {
  readonly fact: string;
  readonly value: string;
  readonly usual: string;
}

/** Counts who has what, as nodes come in: memory grows with facts and values, not with nodes. */
export interface OutlierCount {
  add(node: Pick<NodeAudit, 'node' | 'labels' | 'facts'>): void;
  finish(say: AuditText): {
    readonly outliers: readonly AuditOutlier[];
    readonly normal: readonly AuditNormal[];
    /** Node -> facts in which it differs. */
    readonly differs: ReadonlyMap<string, readonly string[]>;
    /** Node -> those of them that are a risk. */
    readonly risks: ReadonlyMap<string, readonly RiskyDifference[]>;
  };
}

/** @param compareBy labels: nodes are compared with those that have the same values of all of these that they have */
export function createOutlierCount(compareBy: readonly string[]): OutlierCount {
  /** Fact -> group -> who has what. */
  const tallies = new Map<string, Map<string, Tally>>();
  return {
    add({ node, labels, facts }) {
      const group = groupOf(labels, compareBy);
      for (const [fact, value] of Object.entries(facts)) {
        const groups = tallies.get(fact) ?? new Map<string, Tally>();
        tallies.set(fact, groups);
        const tally = groups.get(group) ?? { total: 0, scattered: false, values: new Map() };
        groups.set(group, tally);
        tally.total++;
        const known = tally.values.get(value);
        if (known !== undefined) {
          known.count++;
          if (known.names.length < mostNames) known.names.push(node);
        } else if (tally.values.size < mostValues) tally.values.set(value, { count: 1, names: [node] });
        else tally.scattered = true;
      }
    },
    finish(say) {
      const outliers: AuditOutlier[] = [];
      const normal: AuditNormal[] = [];
      const differs = new Map<string, string[]>();
      const risks = new Map<string, RiskyDifference[]>();
      for (const [fact, groups] of tallies)
        for (const [group, tally] of groups) {
          const usual = usualOf(tally);
          if (usual === undefined) continue;
          const [value, { count }] = usual;
          const one = { fact, group, value, nodes: count, of: tally.total };
          normal.push(one);
          if (count === tally.total) continue;
          const others = [...tally.values]
            .filter(([other]) => other !== value)
            .map(([other, { count: nodes, names }]) => ({
              value: other,
              nodes,
              examples: [...names].sort(naturalOrder),
            }))
            .sort((a, b) => b.nodes - a.nodes || naturalOrder(a.value, b.value));
          const isRisk = risky.test(fact);
          for (const { examples, value: own } of others)
            for (const name of examples) {
              append(differs, name, fact);
              if (isRisk) append(risks, name, { fact, value: valueText(own, say), usual: valueText(value, say) });
            }
          outliers.push({
            ...one,
            severity: isRisk ? 'risk' : 'note',
            text: sentence(one, others, say),
            differing: others.map((other) => ({ ...other, examples: other.examples.slice(0, 20) })),
          });
        }
      return {
        outliers: outliers.sort(
          (a, b) =>
            Number(b.severity === 'risk') - Number(a.severity === 'risk') ||
            rankOf(a.fact) - rankOf(b.fact) ||
            naturalOrder(a.fact, b.fact) ||
            naturalOrder(a.group, b.group),
        ),
        normal: normal.sort((a, b) => naturalOrder(a.fact, b.fact) || naturalOrder(a.group, b.group)),
        differs,
        risks,
      };
    },
  };
}

/** `role=web`, `role=web,zone=a`; empty where a node has none of the labels. */
export function groupOf(labels: Readonly<Record<string, string>>, compareBy: readonly string[]): string {
  return compareBy.flatMap((name) => (Object.hasOwn(labels, name) ? [`${name}=${labels[name]}`] : [])).join(',');
}

function usualOf({
  total,
  scattered,
  values,
}: Tally): [string, { count: number; names: readonly string[] }] | undefined {
  if (scattered || total < smallestGroup) return undefined;
  return [...values].find(([, { count }]) => count / total >= normalShare);
}

/** What hurts most often first. */
function rankOf(fact: string): number {
  const order = [
    'mtu of ',
    'net.ipv4.tcp_tw_recycle',
    'net.ipv4.ip_forward',
    'policy of ',
    'nameservers',
    'net.core.somaxconn',
  ];
  const at = order.findIndex((begin) => fact.startsWith(begin));
  return at === -1 ? order.length : at;
}

function sentence(
  { fact, value, nodes, of, group }: AuditNormal,
  others: AuditOutlier['differing'],
  say: AuditText,
): string {
  const shown = others.slice(0, valuesShown).map(({ examples, nodes: count, value: other }) =>
    say.differing({
      names: examples.slice(0, namesShown).join(', '),
      more: Math.max(0, count - namesShown),
      value: valueText(other, say),
    }),
  );
  const rest = others.slice(valuesShown);
  if (rest.length > 0)
    shown.push(say.differ({ nodes: rest.reduce((sum, one) => sum + one.nodes, 0), values: rest.length }));
  return say.outlier({ fact, value: valueText(value, say), nodes, of, group, rest: shown.join('; ') });
}

/** `-`: it does not exist there. */
function valueText(value: string, say: AuditText): string {
  return value === '' ? say.nothing : value === '-' ? say.absent : value;
}

function append<Item>(lists: Map<string, Item[]>, name: string, item: Item): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [item]);
  else list.push(item);
}
