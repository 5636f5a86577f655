import type { Language } from '../model/language.ts';

/** A length of time for people: `0 ms`, `850 ms`, `1.02 s`, `5 s`, `14.2 s`, `2 min 05 s`, `1 min`. */
export function durationText(ms: number, language: Language): string {
  if (!Number.isFinite(ms)) return '?';
  const unit = language === 'zh' ? { ms: '毫秒', s: '秒', min: '分' } : { ms: 'ms', s: 's', min: 'min' };
  const sign = ms < 0 ? '−' : '';
  const size = Math.abs(ms);
  if (size < 999.5) return `${sign}${size < 10 ? trimmed(size, 1) : size.toFixed(0)} ${unit.ms}`;
  if (size < 59_950) return `${sign}${trimmed(size / 1000, size < 9_995 ? 2 : 1)} ${unit.s}`;
  const seconds = Math.round(size / 1000);
  const minutes = `${sign}${Math.floor(seconds / 60)} ${unit.min}`;
  return seconds % 60 === 0 ? minutes : `${minutes} ${String(seconds % 60).padStart(2, '0')} ${unit.s}`;
}

/** For columns of measurements, at most 8 columns wide: `0.2 ms`, `850 ms`, `1.00 s`, `61.2 s`, `125 s`. */
export function shortDuration(ms: number): string {
  const seconds = ms / 1000;
  if (!Number.isFinite(ms) || seconds >= 999_999.5 || seconds < 0) return '?';
  if (ms < 999.5) return `${ms < 10 ? trimmed(ms, 1) : ms.toFixed(0)} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  return `${seconds.toFixed(seconds < 99.95 ? 1 : 0)} s`;
}

/** Whole numbers lose their zeros (`5 s`); others keep them, so that a column of measurements lines up. */
function trimmed(value: number, digits: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(digits);
}

/** A length of time in its two largest units: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function longDurationText(ms: number, language: Language): string {
  const unit = language === 'zh' ? { h: '小时', min: '分钟', d: '天' } : { h: 'h', min: 'min', d: 'd' };
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return durationText(Math.round(ms / 1000) * 1000, language);
  if (minutes < 60) return `${minutes} ${unit.min}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} ${unit.h}` : `${hours} ${unit.h} ${minutes % 60} ${unit.min}`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} ${unit.d}` : `${days} ${unit.d} ${hours % 24} ${unit.h}`;
}
