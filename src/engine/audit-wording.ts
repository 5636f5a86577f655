import type { Language } from '../model/language.ts';

/** Sentences of audits that no rule says. Same keys in both languages. */
const en = {
  found: (v: { findings: number; nodes: number; of: number; title: string; on: string }) =>
    v.findings === 1
      ? `${v.title} on ${v.on} (${v.of} nodes looked at)`
      : `${v.findings} findings on ${v.nodes} of ${v.of} nodes; first: ${v.title} on ${v.on}`,
  onlyOutliers: (v: { count: number; text: string }) =>
    v.count === 1 ? v.text : `${v.count} settings differ from node to node; first: ${v.text}`,
  clear: (v: { nodes: number }) => `Nothing risky was found on ${v.nodes} nodes`,
  inconclusive: (v: { looked: number; nodes: number; why: string }) =>
    `Nothing risky was found on ${v.looked} of ${v.nodes} nodes, but not everything could be seen: ${v.why}`,
  nobody: (v: { nodes: number; why: string }) => `None of the ${v.nodes} nodes could be looked at: ${v.why}`,
  outlier: (v: { fact: string; value: string; nodes: number; of: number; group: string; rest: string }) =>
    `${v.fact} is ${v.value} on ${v.nodes} of ${v.of} nodes${v.group === '' ? '' : ` with ${v.group}`}; ${v.rest}`,
  differing: (v: { names: string; more: number; value: string }) =>
    `${v.value} on ${v.names}${v.more > 0 ? ` and ${v.more} more` : ''}`,
  differ: (v: { nodes: number; values: number }) => `${v.values} other values on ${v.nodes} nodes`,
  differs: (v: { fact: string; value: string; usual: string }) =>
    `${v.fact} is ${v.value}, on nearly all others ${v.usual}`,
  nothing: '(empty)',
  absent: '(not there)',
  cancelled: 'the audit was stopped before this node was looked at',
  interrupted: 'the audit was stopped while this node was looked at',
  lost: 'workers died, or Redis lost the job, while this node was to be looked at',
  crashed: (message: string) => `netcheck's own code failed here: ${message}`,
  gone: 'it is no longer in the inventory',
  overBudget: 'the time for this node was over before everything was read',
};
export type AuditText = typeof en;

const zh: AuditText = {
  found: (v) =>
    v.findings === 1
      ? `${v.on}：${v.title}（共查看 ${v.of} 个节点）`
      : `${v.of} 个节点中有 ${v.nodes} 个存在问题，共 ${v.findings} 项；首要：${v.on}，${v.title}`,
  onlyOutliers: (v) => (v.count === 1 ? v.text : `有 ${v.count} 项设置在节点之间不一致；首要：${v.text}`),
  clear: (v) => `${v.nodes} 个节点没有发现隐患`,
  inconclusive: (v) => `${v.nodes} 个节点中查看了 ${v.looked} 个，没有发现隐患，但有些看不到：${v.why}`,
  nobody: (v) => `${v.nodes} 个节点都无法查看：${v.why}`,
  outlier: (v) =>
    `${v.fact}：${v.group === '' ? '' : `${v.group} 的`} ${v.of} 个节点中有 ${v.nodes} 个是 ${v.value}；${v.rest}`,
  differing: (v) => `${v.names}${v.more > 0 ? ` 等（另有 ${v.more} 个）` : ''} 是 ${v.value}`,
  differ: (v) => `另外 ${v.nodes} 个节点有 ${v.values} 种不同的值`,
  differs: (v) => `${v.fact} 是 ${v.value}，其他节点几乎都是 ${v.usual}`,
  nothing: '（空）',
  absent: '（不存在）',
  cancelled: '还没有查看该节点，巡检就被停止了',
  interrupted: '正在查看该节点时，巡检被停止了',
  lost: '在查看该节点时，worker 进程异常退出，或 Redis 丢失了任务',
  crashed: (message) => `netcheck 自身代码在此出错：${message}`,
  gone: '清单里已经没有这个节点',
  overBudget: '该节点的时间用完，没有读完全部内容',
};

export const auditText: Readonly<Record<Language, AuditText>> = { en, zh };
