import type { Language } from '../model/language.ts';
import { cutText } from './cut-text.ts';
import { escapeHtml } from './escape-html.ts';

/**
 * Everything of a page before its body: nothing from outside, no script but the one with this hash, and browsers are
 * told so.
 */
export function htmlHead(title: string, style: string, language: Language, scriptHash?: string): string {
  const script = scriptHash === undefined ? '' : ` script-src '${scriptHash}';`;
  return `<!doctype html>
<html lang="${language === 'zh' ? 'zh-Hans' : 'en'}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';${script} base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="netcheck">
<title>${escapeHtml(cutText(title, 200, language))}</title>
<style>${style}</style>
</head>
`;
}
