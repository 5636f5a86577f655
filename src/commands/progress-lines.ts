import type { OnProgress, ProgressEvent } from '../engine/ports.ts';
import type { Language } from '../model/language.ts';

const phases: Readonly<Record<Language, Readonly<Record<Extract<ProgressEvent, { type: 'phase' }>['phase'], string>>>> =
  {
    en: {
      connect: 'connecting',
      look: 'looking around',
      capture: 'starting captures',
      before: 'reading counters',
      probe: 'probing',
      after: 'reading counters again',
      judge: 'judging',
    },
    zh: {
      connect: '连接节点',
      look: '查看环境',
      capture: '开始抓包',
      before: '读取计数器',
      probe: '探测',
      after: '再次读取计数器',
      judge: '判断',
    },
  };

const soFar: Readonly<Record<Language, string>> = { en: 'so far: ', zh: '目前：' };

/**
 * What a run is doing, on stderr so that stdout stays the report: one line that is rewritten on a terminal, plain
 * lines elsewhere.
 */
export function progressLines(stream: NodeJS.WriteStream, language: Language): OnProgress {
  const startedAtMs = Date.now();
  const show = (text: string): void => {
    const line = `[${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(4)} s] ${text}`;
    if (stream.isTTY) stream.write(`\r\u001b[K${line.slice(0, Math.max(20, stream.columns - 1))}`);
    else stream.write(`${line}\n`);
  };
  let shownProbes = -1;
  /** Findings at the end are the report's business; before, the first of them is news. */
  let wantsFinding = true;
  return (event) => {
    switch (event.type) {
      case 'phase':
        if (event.phase === 'judge') wantsFinding = false;
        show(phases[language][event.phase]);
        break;
      case 'joined':
        show(`+ ${event.playbooks.join(', ')}`);
        break;
      case 'probe':
        if (event.done > shownProbes) {
          shownProbes = event.done;
          show(
            `${phases[language].probe} ${event.node}: ${event.done}/${event.total}${event.failed > 0 ? ` (${event.failed} ✗)` : ''}`,
          );
        }
        break;
      case 'unreachable':
        show(`${event.node}: ${event.why}`);
        if (stream.isTTY) stream.write('\n');
        break;
      case 'finished':
        if (stream.isTTY) stream.write('\r\u001b[K');
        break;
      case 'decided':
        if (!wantsFinding) break;
        wantsFinding = false;
        show(`${soFar[language]}${event.title} (${event.rule}, ${event.node})`);
        if (stream.isTTY) stream.write('\n');
        break;
      case 'trial':
      case 'planned':
      case 'waiting':
      case 'connected':
        break;
    }
  };
}
