import type { AuditProgress } from '../engine/run-audit.ts';
import type { Language } from '../model/language.ts';

const words = {
  en: {
    done: (v: { done: number; total: number }) => `${v.done} of ${v.total} nodes`,
    findings: (count: number) => `${count} findings`,
    unreachable: (count: number) => `${count} not looked at`,
    waiting: (names: string, more: number) => `waiting for ${names}${more > 0 ? ` and ${more} more` : ''}`,
  },
  zh: {
    done: (v: { done: number; total: number }) => `${v.done}/${v.total} 个节点`,
    findings: (count: number) => `${count} 项发现`,
    unreachable: (count: number) => `${count} 个没能查看`,
    waiting: (names: string, more: number) => `在等 ${names}${more > 0 ? ` 等另外 ${more} 个` : ''}`,
  },
} as const;

/** A node that takes longer than this is named, milliseconds. */
const slowAfterMs = 5000;
/** How often the line is renewed while nothing comes in, and how often plain lines are written, milliseconds. */
const renewMs = 1000;
const plainEveryMs = 5000;
const mostNamed = 3;

/** Progress of an audit on stderr: one line that is rewritten on a terminal, a plain line now and then elsewhere. */
export function auditProgress(
  stream: NodeJS.WriteStream,
  language: Language,
): { readonly onProgress: (event: AuditProgress) => void; end(): void } {
  const say = words[language];
  const startedAtMs = Date.now();
  const running = new Map<string, number>();
  let [done, total, findings, missed, toldAtMs] = [0, 0, 0, 0, startedAtMs];
  const line = (): string => {
    const slow = [...running].filter(([, since]) => Date.now() - since > slowAfterMs).map(([name]) => name);
    const parts = [
      ...(total > 0 ? [say.done({ done, total })] : []),
      ...(findings > 0 ? [say.findings(findings)] : []),
      ...(missed > 0 ? [say.unreachable(missed)] : []),
      ...(slow.length > 0 ? [say.waiting(slow.slice(0, mostNamed).join(', '), slow.length - mostNamed)] : []),
    ];
    return `[${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(4)} s] ${parts.join(', ')}`;
  };
  const show = (isLast: boolean): void => {
    if (stream.isTTY) {
      stream.write(`\r\u001b[K${line().slice(0, Math.max(20, stream.columns - 1))}`);
      return;
    }
    if (!isLast && Date.now() - toldAtMs < plainEveryMs) return;
    toldAtMs = Date.now();
    stream.write(`${line()}\n`);
  };
  const renew = setInterval(() => show(false), renewMs);
  renew.unref();
  return {
    onProgress(event) {
      if (event.type === 'started') {
        running.set(event.node, Date.now());
        return;
      }
      running.delete(event.node);
      ({ done, total } = event);
      findings += event.findings;
      if (event.outcome !== 'looked') missed++;
      show(done === total);
    },
    end() {
      clearInterval(renew);
      if (stream.isTTY) stream.write('\r\u001b[K');
    },
  };
}
