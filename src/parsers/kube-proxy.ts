import type { KubeProxy } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * What kube-proxy answered over loopback: `mode BODY STATUS` of /proxyMode and `healthz BODY STATUS` of /healthz
 * (pkg/proxy/healthcheck/proxy_health.go: 200 healthy, 503 not). A body may go on over several lines. No output: nobody
 * listens on its ports.
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
    const answers: { text: string; readonly line: number }[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      const open = answers.at(-1);
      if (/^(?:mode|healthz) /.test(text) || open === undefined) {
        if (text.trim() !== '') answers.push({ text: text.slice(0, mostCharacters), line });
      } else if (open.text.length < mostCharacters) open.text += ` ${text.slice(0, mostCharacters)}`;
      if (answers.length > mostAnswers) break;
    }
    let mode: string | undefined;
    let healthy: boolean | undefined;
    let lastUpdated: string | undefined;
    let first: number | undefined;
    for (const { text, line } of answers) {
      const modeTold = /^mode ([a-z]{3,20})\s+200\s*$/.exec(text)?.[1];
      const health = /^healthz (\{.*\})\s+(200|503)\s*$/.exec(text);
      if (modeTold !== undefined) mode = modeTold;
      else if (health !== null) {
        healthy = health[2] === '200';
        lastUpdated = /"lastUpdated": ?"([^"]{4,100})"/.exec(health[1] ?? '')?.[1];
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

/** Its answers have a few hundred. */
const mostCharacters = 4000;
const mostAnswers = 100;
