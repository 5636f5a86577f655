import type { At } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** A pod that has, or had, containers on the node. */
export interface PodLog {
  readonly namespace: string;
  readonly name: string;
  /** Of the pod; for a mirror pod the hash that the kubelet made instead. */
  readonly uid: string;
  readonly at: At;
}

/** The names in /var/log/pods: `NAMESPACE_NAME_UID` (BuildPodLogsDirectory in the kubelet's kuberuntime/helpers.go). */
export const podLogs: Parser<readonly PodLog[]> = {
  kind: 'pod-logs',
  reads: 'the directories of logs that the kubelet keeps, one for each pod (ls -1 /var/log/pods)',
  fact: null,
  sample: 'kube-system_coredns-7c65d6cfc9-9x2lj_0c6dbb0a-4f1e-4a0e-9a58-2d1c7f3b4e61\n',
  parse(input) {
    const problems = problemList();
    const pods: PodLog[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      const [, namespace, name, uid] =
        /^([a-z0-9][a-z0-9-]{0,62})_([a-z0-9][a-z0-9.-]{0,252})_([0-9a-f-]{32,36})$/.exec(text) ?? [];
      if (namespace !== undefined && name !== undefined && uid !== undefined)
        pods.push({ namespace, name, uid, at: { evidence: input.evidence, line } });
      else if (text.trim() !== '') problems.add(`not the logs of a pod: ${excerpt(text)}`, line);
    }
    if (pods.length === 0) return nothingUsable(input, problems, 'directory of a pod');
    addStderr(input, problems);
    return { value: pods, problems: problems.all() };
  },
};
