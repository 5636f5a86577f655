import { clipMrkdwn } from './fit-blocks.ts';
import { escapeMrkdwn } from './mrkdwn.ts';
import { clip } from './status-message.ts';

/** Our own words, with their own formatting. */
export function ownWords(why: { readonly message: string; readonly hint: string }): string {
  return `${why.message}\n${why.hint}`;
}

/** Words that may quote what a person typed. */
export function quotingWords(why: { readonly message: string; readonly hint: string }): string {
  const message = escapeMrkdwn(clip(why.message, 1500));
  const hint = escapeMrkdwn(clip(why.hint, 1500));
  return clipMrkdwn(hint === '' ? message : `${message}\n${hint}`, 3000);
}
