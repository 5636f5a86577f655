import type { Language } from '../model/language.ts';

/** A length of time for people: `0 ms`, `850 ms`, `1.02 s`, `14.2 s`, `2 min 05 s`. */
export function durationText(ms: number, language: Language): string {
  if (!Number.isFinite(ms)) return '?';
  const zh = language === 'zh';
  const sign = ms < 0 ? '−' : '';
  const size = Math.abs(ms);
  if (size < 999.5) {
    const shown = size < 10 && size % 1 !== 0 ? size.toFixed(1) : size.toFixed(0);
    return `${sign}${shown} ${zh ? '毫秒' : 'ms'}`;
  }
  if (size < 9_995) return `${sign}${(size / 1000).toFixed(2)} ${zh ? '秒' : 's'}`;
  if (size < 59_950) return `${sign}${(size / 1000).toFixed(1)} ${zh ? '秒' : 's'}`;
  const seconds = Math.round(size / 1000);
  const minutes = Math.floor(seconds / 60);
  const rest = String(seconds % 60).padStart(2, '0');
  return zh ? `${sign}${minutes} 分 ${rest} 秒` : `${sign}${minutes} min ${rest} s`;
}

/** The same in symbols only, for columns of numbers: `850 ms`, `1.02 s`. */
export function shortDuration(ms: number): string {
  return durationText(ms, 'en');
}
