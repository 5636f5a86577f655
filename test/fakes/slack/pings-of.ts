import { isObject } from './validate-blocks.ts';

/**
 * Whom a message would alert, the pessimistic way: every reference that Slack's server parses anywhere in mrkdwn
 * (code spans too), and the bare `@here`, `@channel`, `@everyone` that it parses where `verbatim` is not set.
 *
 * @returns `<!channel>`, `<@U…>`, `<!subteam^…>`, `@here` …, without doubles
 */
export function pingsOf(text: string, blocks: readonly unknown[]): string[] {
  const found = new Set<string>();
  const inMrkdwn = (mrkdwn: string, verbatim: boolean) => {
    // A date is written like a reference, and alerts nobody.
    for (const [reference] of mrkdwn.matchAll(/<(?!!date\^)(?:[!@][^<>|]*)(?:\|[^<>]*)?>/gu)) found.add(reference);
    if (verbatim) return;
    for (const [word] of mrkdwn.matchAll(/@(?:here|channel|everyone)\b/giu)) found.add(word);
  };
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk);
    if (!isObject(value)) return;
    if ((value['type'] === 'mrkdwn' || value['type'] === 'markdown') && typeof value['text'] === 'string') {
      inMrkdwn(value['text'], value['verbatim'] === true);
    }
    if (value['type'] === 'broadcast') found.add(`<!${String(value['range'])}>`);
    if (value['type'] === 'user') found.add(`<@${String(value['user_id'])}>`);
    Object.values(value).forEach(walk);
  };
  // Top-level text is not parsed for bare names unless `link_names` or `parse` asks for it, which we never do.
  inMrkdwn(text, true);
  walk(blocks);
  return [...found];
}
