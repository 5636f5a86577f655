import { KubeObject } from '../model/cluster-objects.ts';
import type { At } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** More objects than one answer of the API may leave. */
const mostObjects = 2000;

/** What a run keeps of an answer of the Kubernetes API: one object per line. Nothing: there are none. */
export const kubeObjects: Parser<readonly (KubeObject & { readonly at: At })[]> = {
  kind: 'kube-objects',
  reads: 'what a run keeps of Kubernetes objects, one JSON object per line',
  fact: 'cluster',
  sample:
    '{"kind":"endpoint","service":"shop/cart","address":"10.244.2.7","ports":[{"name":"http","port":8080}],"ready":true,"serving":true,"terminating":false,"node":"node-2","pod":"shop/cart-1"}\n',
  parse(input) {
    const problems = problemList();
    const objects: (KubeObject & { readonly at: At })[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      if (objects.length >= mostObjects) {
        problems.add(`more than ${mostObjects} objects; only those were read`, line);
        break;
      }
      const object = objectIn(text);
      if (object === undefined) problems.add(`no object that a run keeps: ${excerpt(text)}`, line);
      else objects.push({ ...object, at: { evidence: input.evidence, line } });
    }
    if (objects.length === 0 && (!silentlyNone(input) || problems.all().length > 0))
      return nothingUsable(input, problems, 'Kubernetes object');
    addStderr(input, problems);
    return { value: objects, problems: problems.all() };
  },
};

function objectIn(text: string): KubeObject | undefined {
  try {
    return KubeObject.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
