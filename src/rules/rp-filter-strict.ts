import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Because } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';

const allKey = 'net.ipv4.conf.all.rp_filter';
/** A name that is fit to stand in a sysctl key. */
const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;
/** Priorities of the rules that every node has (local, main, default). */
const usualPriorities = [0, 32_766, 32_767];

/** F05, without a question: the node has two ways to the world, and takes packets only on the one that it would answer by. */
export const rpFilterStrict = defineNodeRule({
  id: 'rp-filter-strict',
  fault: 'F05',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['sysctl', 'routes'],
  optional: ['policyRules'],
  params: z.strictObject({}),
  sources: [
    'Documentation/networking/ip-sysctl.rst (rp_filter: the larger of all and the device counts)',
    'net/ipv4/fib_frontend.c __fib_validate_source; RFC 3704',
  ],
  text: {
    en: {
      title: 'Strict reverse path filter on a node with several ways to the world',
      oneWay: (v: { devices: string }) => `There is one way to the world (${v.devices}): what comes in goes out by it`,
      policy: (v: { text: string }) =>
        `Rules choose the route by more than the destination (${v.text}): the filter follows them`,
      notRead: (v: { key: string }) => `${v.key} was not read`,
      ways: (v: { devices: string }) =>
        `default routes by ${v.devices}: only the one with the lowest metric is used for answers`,
      strict: (v: { key: string; device: string }) =>
        `${v.key} = 1: packets that come in by ${v.device}, and would be answered by another device, are dropped without a word`,
      loose: (v: { devices: string }) =>
        `several ways to the world (${v.devices}), and the filter is off or loose on all of them`,
      temporary: 'Makes the filter loose: the source must be reachable by any device',
      permanent: 'Keeps it after a reboot',
      kubernetes:
        'Some CNIs set it themselves on their devices, and Calico refuses to start with 2 unless FELIX_IGNORELOOSERPF is true: look there first',
      risk: 'Low: a forged source address that the node has a route to is no longer dropped here',
    },
    zh: {
      title: '节点有多条出口，却启用了严格的反向路径过滤',
      oneWay: (v) => `只有一条出口（${v.devices}）：从哪里进就从哪里出`,
      policy: (v) => `有策略路由按目的地址以外的条件选路（${v.text}）：反向路径过滤也遵循它`,
      notRead: (v) => `没有读到 ${v.key}`,
      ways: (v) => `默认路由经过 ${v.devices}：应答只走 metric 最小的那一条`,
      strict: (v) => `${v.key} = 1：从 ${v.device} 进来、但应答会走其他网卡的包会被无声丢弃`,
      loose: (v) => `有多条出口（${v.devices}），各处的过滤都已关闭或为宽松模式`,
      temporary: '改为宽松模式：源地址只要经任一网卡可达即可',
      permanent: '重启后仍有效',
      kubernetes:
        '有些 CNI 会在自己的网卡上设置它；Calico 遇到 2 会拒绝启动，除非 FELIX_IGNORELOOSERPF 为 true：先看那里',
      risk: '低：伪造的源地址只要有路由就不会再在这里被丢弃',
    },
  },
  evaluate({ node, facts, say }) {
    const ways = facts.routes.filter(
      ({ family, type, destination, table, device }) =>
        family === 4 &&
        type === 'unicast' &&
        (destination === 'default' || destination === '0.0.0.0/0') &&
        (table === undefined || table === 'main') &&
        device !== undefined,
    );
    const devices = [...new Set(ways.flatMap(({ device }) => (device === undefined ? [] : [device])))];
    const shown = devices.join(', ');
    const [way] = ways;
    if (way === undefined || devices.length < 2)
      return notApplicable(
        because(say.oneWay({ devices: shown === '' ? '-' : shown }), way?.at ?? fileOf(facts.routes)),
      );
    const policy = facts.policyRules?.find(
      ({ priority, action }) => action === 'lookup' && !usualPriorities.includes(priority),
    );
    if (policy !== undefined) return notApplicable(because(say.policy({ text: policy.text }), policy.at));

    const all = read(allKey);
    if (all === null) return undecided('sysctl', node, say.notRead({ key: allKey }));
    const strict: { readonly key: string; readonly reason: Because }[] = [];
    for (const device of devices.filter((name) => deviceName.test(name))) {
      const key = `net.ipv4.conf.${device.replaceAll('.', '/')}.rp_filter`;
      const own = read(key);
      // loose everywhere is loose here, whatever the device says
      if (own === null && all.value !== 2) return undecided('sysctl', node, say.notRead({ key }));
      if (Math.max(all.value, own?.value ?? 0) !== 1) continue;
      const decides = own?.value === 1 ? { key, at: own.at } : { key: allKey, at: all.at };
      strict.push({ key: decides.key, reason: because(say.strict({ key: decides.key, device }), decides.at) });
    }
    if (strict.length === 0) return ruledOut(because(say.loose({ devices: shown }), all.at));
    const changes = [...new Set(strict.map(({ key }) => key))].map((key) => ({
      key,
      value: '2',
      previous: facts.sysctl[key]?.value,
    }));
    return likely(
      [because(say.ways({ devices: shown }), way.at), ...strict.map(({ reason }) => reason)],
      [
        temporarySysctl(node, changes, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'rp-filter', changes, { text: say.permanent, risk: say.risk }),
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ],
    );

    function read(key: string): { readonly value: number; readonly at: At } | null {
      const entry = facts.sysctl[key];
      const value = plainSetting(entry?.value);
      return entry === undefined || value === null || !/^\d$/.test(value)
        ? null
        : { value: Number(value), at: entry.at };
    }
  },
});
