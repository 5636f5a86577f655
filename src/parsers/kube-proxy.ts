import type { KubeProxy } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * What kube-proxy answered over loopback: `mode BODY STATUS` of /proxyMode and `healthz BODY STATUS` of /healthz
 * (pkg/proxy/healthcheck/proxier_health.go: 200 healthy, 503 not). No output: nobody listens on its ports.
 */
export const kubeProxy: Parser<KubeProxy> = {
  kind: 'kube-proxy',
  reads: 'mode and health of kube-proxy, asked over loopback',
  fact: 'kubeProxy',
  sample: `mode ipvs 200
healthz {"lastUpdated": "2026-03-01 10:00:00.1 +0000 UTC","currentTime": "2026-03-01 10:00:12.7 +0000 UTC"} 200
`,
  parse(input) {
    const problems = problemList();
    let mode: string | undefined;
    let healthy: boolean | undefined;
    let lastUpdated: string | undefined;
    let first: number | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      const modeTold = /^mode ([a-z]{3,20}) 200$/.exec(text)?.[1];
      const health = /^healthz (.{0,2000}) (200|503)$/.exec(text);
      if (modeTold !== undefined) mode = modeTold;
      else if (health !== null) {
        healthy = health[2] === '200';
        lastUpdated = /"lastUpdated": ?"([^"]{4,60})"/.exec(health[1] ?? '')?.[1];
      } else {
        problems.add(`not an answer of kube-proxy: ${excerpt(text)}`, line);
        continue;
      }
      first ??= line;
    }
    if (first === undefined && (!silentlyNone(input) || problems.all().length > 0))
      return nothingUsable(input, problems, 'answer of kube-proxy');
    addStderr(input, problems);
    return {
      value: {
        ...(mode === undefined ? {} : { mode }),
        ...(healthy === undefined ? {} : { healthy }),
        ...(lastUpdated === undefined ? {} : { lastUpdated }),
        at: { evidence: input.evidence, ...(first === undefined ? {} : { line: first }) },
      },
      problems: problems.all(),
    };
  },
};
