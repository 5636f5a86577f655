import * as z from 'zod';
import type { NameLookup } from '../model/node-facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { targetNames, unlikelyName } from '../model/target-names.ts';
import { askedAt, because } from './because.ts';
import { isLoopback, sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { searchDomainRemedies, searchDomainText } from './search-domain-remedies.ts';

/** F82, asked of the client itself: a search domain answers for the name of the target, with the address of another. */
export const dnsNameElsewhere = definePathRule({
  id: 'dns-name-elsewhere',
  fault: 'F82',
  scope: 'path',
  anyProtocol: true,
  // not needs: a question by address, or from a container, is answered without them
  needs: { client: [], target: [] },
  optional: ['resolver', 'nameLookups', 'addresses', 'namespace'],
  params: z.strictObject({}),
  sources: [
    'resolv.conf(5): search, ndots; getent(1), nsswitch.conf(5)',
    'field report 1: `search guoyutec.com` led names to another cluster',
    'RFC 4592 (wildcards answer for every name that does not exist)',
  ],
  text: {
    en: {
      ...searchDomainText.en,
      title: 'The name leads to another address on the client: a search domain answers for it',
      byAddress: 'the target was asked for by its address, so no name is in question',
      inContainer:
        "names were looked up with the node's resolver, and a container has its own: its DNS packets tell (playbook dns-wrong)",
      notRead: '/etc/resolv.conf was not read',
      notLookedUp: (v: { client: string; name: string }) =>
        `${v.client} could not look ${v.name} up in time: no name server answered it, or getent did not end well`,
      elsewhere: (v: { client: string; name: string; addresses: string; node: string; own: string }) =>
        `${v.client} gets ${v.addresses} for ${v.name}, and ${v.node} has ${v.own}: programs that use the name talk to another machine`,
      bySearch: (v: { full: string; addresses: string; line: string }) =>
        `${v.full}. has ${v.addresses}, and resolv.conf says \`search ${v.line}\`: that is where the address comes from`,
      meant: (v: { full: string; addresses: string; node: string }) =>
        `${v.full}. has ${v.addresses}, which is ${v.node}: this is the name that was meant`,
      wildcard: (v: { full: string; addresses: string }) =>
        `${v.full}., which nobody has made, has ${v.addresses} too: the domain answers for every name (wildcard)`,
      nowhere: (v: { name: string; node: string }) =>
        `No complete name that was tried leads to ${v.node}. If ${v.name} is a name of netcheck's inventory only, no program is misled by it`,
      unexplained: (v: { client: string; name: string; addresses: string; node: string; from: string }) =>
        `${v.client} gets ${v.addresses} for ${v.name}${v.from}, and ${v.node} does not own that: what programs talk to was not tested here. Where it is meant (a load balancer, a floating address), add it to "serves" of ${v.node}`,
      fromSearch: (v: { full: string }) => ` (as ${v.full})`,
      fromHosts: ' (from /etc/hosts)',
      leads: (v: { client: string; name: string; addresses: string; node: string }) =>
        `${v.client} gets ${v.addresses} for ${v.name}: that is ${v.node}`,
      unanswered: (v: { client: string; name: string }) =>
        `the look-up of ${v.name} on ${v.client} did not end in time, so programs there do not get to another machine by it; playbook dns-slow tells why names are slow`,
      unknownName: (v: { client: string; name: string }) =>
        `${v.client} finds no address for ${v.name}: no search domain answers in its place`,
    },
    zh: {
      ...searchDomainText.zh,
      title: '客户端上该域名指向了别的地址：被搜索域抢先应答',
      byAddress: '目标是按地址询问的，与域名无关',
      inContainer: '解析用的是节点的解析器，而容器有自己的：要看它的 DNS 包（剧本 dns-wrong）',
      notRead: '没有读到 /etc/resolv.conf',
      notLookedUp: (v) => `${v.client} 没能及时解析 ${v.name}：没有 DNS 服务器应答，或 getent 没有正常结束`,
      elsewhere: (v) =>
        `${v.client} 把 ${v.name} 解析成 ${v.addresses}，而 ${v.node} 的地址是 ${v.own}：用这个域名的程序连到了别的机器`,
      bySearch: (v) => `${v.full}. 的地址是 ${v.addresses}，resolv.conf 里有 \`search ${v.line}\`：错误的地址来自这里`,
      meant: (v) => `${v.full}. 的地址是 ${v.addresses}，正是 ${v.node}：这才是要找的域名`,
      wildcard: (v) => `没有人配置过的 ${v.full}. 也返回 ${v.addresses}：该域对任何名字都有应答（泛解析）`,
      nowhere: (v) =>
        `试过的完整域名没有一个指向 ${v.node}。如果 ${v.name} 只是 netcheck 清单里的名字，就没有程序会被误导`,
      unexplained: (v) =>
        `${v.client} 把 ${v.name} 解析成 ${v.addresses}${v.from}，${v.node} 没有这个地址：程序实际连接的对象这里没有检查。如果这是有意的（负载均衡、浮动地址），请加到 ${v.node} 的 "serves"`,
      fromSearch: (v) => `（即 ${v.full}）`,
      fromHosts: '（来自 /etc/hosts）',
      leads: (v) => `${v.client} 把 ${v.name} 解析成 ${v.addresses}：正是 ${v.node}`,
      unanswered: (v) =>
        `${v.client} 上对 ${v.name} 的解析没有按时结束，那里的程序也就不会因它连到别的机器；playbook dns-slow 会说明解析为什么慢`,
      unknownName: (v) => `${v.client} 解析不到 ${v.name} 的地址：没有搜索域替它应答`,
    },
  },
  evaluate({ client, target, plan, say }) {
    const [name] = targetNames(plan);
    if (name === undefined) return notApplicable(because(say.byAddress, askedAt));
    const { resolver, nameLookups, namespace } = client.facts;
    if (namespace !== undefined && namespace.pid !== null && namespace.isOwn !== true)
      return notApplicable(because(say.inContainer, namespace.at));
    const { config, hosts = [] } = resolver ?? {};
    if (config === undefined) return undecided('resolver', client.node, say.notRead);
    const lookupOf = (wanted: string): NameLookup | undefined =>
      nameLookups?.find((one) => one.name.toLowerCase() === wanted.toLowerCase());
    const asTyped = lookupOf(name);
    if (asTyped === undefined)
      return undecided('nameLookups', client.node, say.notLookedUp({ client: client.node, name }));

    const own = ownAddresses();
    const isOwn = (address: string): boolean => own.some((one) => sameAddress(one, address));
    const values = { client: client.node, name, node: target.node, addresses: listed(asTyped.addresses) };
    // a name that leads nowhere leads to no other machine; that DNS is ill is for the questions about DNS
    if (asTyped.unanswered) return notApplicable(because(say.unanswered(values), asTyped.at));
    // getent then prints nothing: what it went by is what there is to look at
    if (asTyped.addresses.length === 0) return ruledOut(because(say.unknownName(values), config.at));
    // what is there for both families came with one answer: one address that is right is enough
    if (asTyped.addresses.some(isOwn)) return ruledOut(because(say.leads(values), asTyped.at));

    const complete = [name, ...config.search.map((domain) => `${name}.${domain.replace(/\.$/, '')}`)];
    const behind = complete.slice(1).find((full) => shares(lookupOf(`${full}.`), asTyped.addresses));
    if (behind === undefined) {
      const inHosts = hosts.find(
        (line) =>
          line.names.some((one) => one.toLowerCase() === name.toLowerCase()) &&
          asTyped.addresses.includes(line.address),
      );
      const from = inHosts === undefined ? '' : say.fromHosts;
      return undecided('nameLookups', client.node, say.unexplained({ ...values, from }));
    }

    const meant = complete.find((full) => lookupOf(`${full}.`)?.addresses.some(isOwn) === true);
    const domain = behind.slice(name.length + 1);
    const probe = lookupOf(`${unlikelyName}.${domain}.`);
    const isWildcard = shares(probe, asTyped.addresses);
    if (meant === undefined && !isWildcard)
      return undecided(
        'nameLookups',
        client.node,
        say.unexplained({ ...values, from: say.fromSearch({ full: behind }) }),
      );

    const answer = lookupOf(`${behind}.`);
    const reasons: Because[] = [
      because(say.elsewhere({ ...values, own: listed(own) }), asTyped.at),
      because(
        say.bySearch({ full: behind, addresses: listed(answer?.addresses ?? []), line: config.search.join(' ') }),
        config.at,
      ),
    ];
    if (isWildcard && probe !== undefined)
      reasons.push(
        because(say.wildcard({ full: `${unlikelyName}.${domain}`, addresses: listed(probe.addresses) }), probe.at),
      );
    const meantAnswer = meant === undefined ? undefined : lookupOf(`${meant}.`);
    const remedies: Remedy[] = searchDomainRemedies({
      node: client.node,
      domains: [domain],
      names: [name, `${name}.`],
      say,
    });
    if (meant === undefined || meantAnswer === undefined)
      return likely([...reasons, because(say.nowhere(values), asTyped.at)], remedies);
    reasons.push(
      because(say.meant({ full: meant, addresses: listed(meantAnswer.addresses), node: target.node }), meantAnswer.at),
    );
    // without the addresses of the node itself both may be the same machine; a record of its own may be meant that way
    return isWildcard && target.facts.addresses !== undefined
      ? confirmed(reasons, remedies)
      : likely(reasons, remedies);

    /** Everything that is known to be the target's: asked for, in the inventory, and read on the node itself. */
    function ownAddresses(): readonly string[] {
      const planned = plan.nodes.filter(({ roles }) => roles.includes('target'));
      return [
        ...new Set([
          target.address,
          plan.targetAddress,
          ...planned.flatMap(({ address, node }) => [
            address,
            ...(node.target === undefined ? [] : [node.target]),
            node.address,
            ...node.serves,
          ]),
          ...(target.facts.addresses ?? []).map(({ address }) => address).filter((one) => !isLoopback(one)),
        ]),
      ];
    }
  },
});

/** The first few. */
function listed(addresses: readonly string[]): string {
  return addresses.slice(0, 4).join(', ') + (addresses.length > 4 ? ' …' : '');
}

function shares(lookup: NameLookup | undefined, addresses: readonly string[]): boolean {
  return lookup?.addresses.some((one) => addresses.some((other) => sameAddress(one, other))) === true;
}
