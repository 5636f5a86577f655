import { escapeHtml } from '../../../src/report/escape-html.ts';
import type { FakeMessage } from './slack-world.ts';
import { isObject } from './validate-blocks.ts';

/** What a gallery shows: a message, a form, or the home tab, each with what it is. */
export type Exhibit = { readonly title: string; readonly onlyFor?: string } & (
  | { readonly thread: readonly FakeMessage[]; readonly pictures?: ReadonlyMap<string, Uint8Array> }
  | { readonly view: Readonly<Record<string, unknown>> }
);

/**
 * A page that shows Block Kit about as Slack does (its type sizes, widths and colours of 2026, light and dark), so that
 * people can look at every kind of message without a workspace. Nothing on it works and nothing is loaded.
 */
export function renderGallery(exhibits: readonly Exhibit[]): string {
  const cards = exhibits.map(
    (exhibit, at) =>
      `<section id="x${at}"><h2>${escapeHtml(exhibit.title)}</h2>${
        'view' in exhibit ? viewHtml(exhibit.view) : threadHtml(exhibit.thread, exhibit.pictures, exhibit.onlyFor)
      }</section>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>What netcheck says in Slack</title><style>${style}</style></head><body>
${cards.join('\n')}
</body></html>
`;
}

function threadHtml(
  [root, ...replies]: readonly FakeMessage[],
  pictures: ReadonlyMap<string, Uint8Array> | undefined,
  onlyFor: string | undefined,
): string {
  if (root === undefined) return '';
  const count =
    replies.length === 0
      ? ''
      : `<p class="replies">${replies.length} ${replies.length === 1 ? 'reply' : 'replies'}</p>`;
  return `<div class="thread">${messageHtml(root, pictures, onlyFor)}${count}${replies.map((one) => messageHtml(one, pictures)).join('')}</div>`;
}

function messageHtml(
  message: FakeMessage,
  pictures: ReadonlyMap<string, Uint8Array> | undefined,
  onlyFor?: string,
): string {
  const isApp = message.user === 'U0NETCHECK';
  const body =
    message.blocks.length === 0 ? `<p>${mrkdwnHtml(message.text)}</p>` : message.blocks.map(blockHtml).join('');
  const files = message.files.map((file) => {
    const bytes = pictures?.get(file.name);
    return bytes === undefined
      ? `<span class="file">📄 ${escapeHtml(file.name)}</span>`
      : `<img alt="${escapeHtml(file.name)}" src="data:image/png;base64,${Buffer.from(bytes).toString('base64')}">`;
  });
  return `<article class="message">${onlyFor === undefined ? '' : '<p class="only">👁 Only visible to you</p>'}
<div class="who"><span class="avatar ${isApp ? 'app' : ''}">${isApp ? 'n' : 'A'}</span><b>${isApp ? 'netcheck' : escapeHtml(message.user)}</b>${isApp ? '<span class="tag">APP</span>' : ''}<time>${new Date(message.postedAtMs).toISOString().slice(11, 16)}</time></div>
<div class="body">${body}${message.edits > 0 ? '<span class="edited">(edited)</span>' : ''}${files.length === 0 ? '' : `<div class="files">${files.join('')}</div>`}</div></article>`;
}

function viewHtml(view: Readonly<Record<string, unknown>>): string {
  const blocks = Array.isArray(view['blocks']) ? view['blocks'] : [];
  const bar = (key: string, kind: string): string =>
    view[key] === undefined ? '' : `<span class="button ${kind}">${textHtml(view[key])}</span>`;
  const isHome = view['type'] === 'home';
  return `<div class="${isHome ? 'home' : 'modal'}">${isHome ? '' : `<h3>${textHtml(view['title'])}</h3>`}<div class="body">${blocks.map(blockHtml).join('')}</div>${
    isHome ? '' : `<p class="bar">${bar('close', '')}${bar('submit', 'primary')}</p>`
  }</div>`;
}

function blockHtml(block: unknown): string {
  if (!isObject(block)) return '';
  const elements = Array.isArray(block['elements']) ? block['elements'] : [];
  switch (block['type']) {
    case 'header':
      return `<h4>${textHtml(block['text'])}</h4>`;
    case 'section': {
      const fields = Array.isArray(block['fields']) ? block['fields'] : [];
      const grid =
        fields.length === 0
          ? ''
          : `<div class="fields">${fields.map((one) => `<div>${textHtml(one)}</div>`).join('')}</div>`;
      const { text } = block;
      const length = isObject(text) ? String(text['text']).length : 0;
      // About where Slack folds a section up that does not say `expand`.
      const isFolded = block['expand'] !== true && length > 600;
      return `<div class="section${isFolded ? ' folded' : ''}"><div>${textHtml(block['text'])}${grid}</div>${elementHtml(block['accessory'])}</div>`;
    }
    case 'context':
      return `<div class="context">${elements.map((one) => `<span>${textHtml(one)}</span>`).join('')}</div>`;
    case 'divider':
      return '<hr>';
    case 'actions':
      return `<div class="actions">${elements.map(elementHtml).join('')}</div>`;
    case 'input':
      return `<div class="input"><b>${textHtml(block['label'])}</b>${block['optional'] === true ? ' <span class="hint">(optional)</span>' : ''}${elementHtml(block['element'])}<span class="hint">${textHtml(block['hint'])}</span></div>`;
    case 'image':
      return `<div class="picture">🖼 ${escapeHtml(String(block['alt_text']))}</div>`;
    case 'markdown':
      return `<p>${escapeHtml(String(block['text']))}</p>`;
    default:
      return `<p class="unknown">(${escapeHtml(String(block['type']))})</p>`;
  }
}

function elementHtml(element: unknown): string {
  if (!isObject(element)) return '';
  if (element['type'] === 'button')
    return `<span class="button ${element['style'] === 'primary' || element['style'] === 'danger' ? element['style'] : ''}">${textHtml(element['text'])}</span>`;
  const chosen = element['initial_option'];
  const said =
    typeof element['initial_value'] === 'string'
      ? escapeHtml(element['initial_value'])
      : isObject(chosen)
        ? textHtml(chosen['text'])
        : `<span class="hint">${textHtml(element['placeholder'])}</span>`;
  const isText = element['type'] === 'plain_text_input' || element['type'] === 'number_input';
  return `<span class="field${element['multiline'] === true ? ' tall' : ''}">${said}${isText ? '' : '<i>⌄</i>'}</span>`;
}

function textHtml(text: unknown): string {
  if (!isObject(text) || typeof text['text'] !== 'string') return '';
  return text['type'] === 'mrkdwn' ? mrkdwnHtml(text['text']) : escapeHtml(text['text']);
}

/** mrkdwn as Slack shows it: code first, since nothing works inside of it, then references, then emphasis. */
export function mrkdwnHtml(mrkdwn: string): string {
  const codes: string[] = [];
  // Emphasis may stand around code: code becomes one private character until the rest is done.
  const prose = mrkdwn.replace(
    /\n?```([^]*?)```\n?|`([^`\n]+)`/gu,
    (_whole, block: string | undefined, inline: string) => {
      const code = escapeHtml(decoded(block?.replace(/^\n|\n$/gu, '') ?? inline));
      codes.push(block === undefined ? `<code>${code}</code>` : `<pre>${code}</pre>`);
      return codeMark;
    },
  );
  let at = 0;
  return proseHtml(prose).replaceAll(codeMark, () => codes[at++] ?? '');
}

const codeMark = '\ue000';

function proseHtml(prose: string): string {
  return prose
    .split(/(<[^<>]*>)/u)
    .map((part, at) => (at % 2 === 0 ? emphasised(escapeHtml(decoded(part))) : referenceHtml(part.slice(1, -1))))
    .join('')
    .replace(/(^|\n)&gt; ?([^\n]*)/gu, '$1<blockquote>$2</blockquote>')
    .replaceAll('\n', '<br>');
}

function referenceHtml(reference: string): string {
  const [target = '', label] = reference.split('|');
  if (/^[@#!]/u.test(target))
    return `<span class="mention">@${escapeHtml(decoded(label ?? target.replace(/^[@#!]+/u, '')))}</span>`;
  return `<span class="link">${escapeHtml(decoded(label ?? target))}</span>`;
}

function emphasised(html: string): string {
  const around = (mark: string, tag: string) => (text: string) =>
    text.replace(
      new RegExp(
        `(^|[\\s(\\[{·>\ue000])[${mark}]([^\\s${mark}](?:[^${mark}\\n]*[^\\s${mark}])?)[${mark}](?=$|[\\s.,:;!?)\\]}·\ue000])`,
        'gu',
      ),
      `$1<${tag}>$2</${tag}>`,
    );
  return around('~', 's')(around('_', 'i')(around('*', 'b')(html)));
}

function decoded(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

const style = `
:root{--g:#fff;--p:#f5f5f7;--i:#1d1c1d;--m:#616061;--e:#dddddd;--c:#f8f8f8;--r:#c01343;--l:#1264a3;--a:#fcf4da}
@media(prefers-color-scheme:dark){:root{--g:#1a1d21;--p:#101214;--i:#d1d2d3;--m:#9b9c9e;--e:#35373b;--c:#232529;--r:#e8912d;--l:#1d9bd1;--a:#3b3320}}
*{box-sizing:border-box}
body{margin:0;padding:16px;background:var(--p);color:var(--i);font:15px/1.466 Lato,"Noto Sans","Helvetica Neue",Arial,"Noto Sans CJK SC",sans-serif;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(640px,100%),1fr));gap:16px;align-items:start}
h2{font-size:14px;margin:0 0 6px;color:var(--m)}
section{min-width:0}
.thread,.modal,.home{background:var(--g);border:1px solid var(--e);border-radius:8px;padding:12px 20px}
.message{position:relative;padding:6px 0 8px 46px;overflow-wrap:anywhere}
.avatar{position:absolute;left:0;top:8px;width:36px;height:36px;border-radius:6px;background:#8aa0b5;color:#fff;font:700 18px/36px sans-serif;text-align:center}.avatar.app{background:#1f6f5c}
.who b{font-weight:900}.tag{font-size:10px;font-weight:700;background:var(--e);color:var(--m);border-radius:2px;padding:1px 3px;margin-left:5px;vertical-align:2px}time{margin-left:8px;font-size:12px;color:var(--m)}
.edited,.hint,.only,.replies{font-size:12px;color:var(--m)}.only{margin:0 0 2px}.replies{margin:4px 0;border-top:1px solid var(--e);padding-top:6px}
h4{font-size:18px;line-height:1.33;font-weight:900;margin:8px 0}
p,.section>div,.context span{white-space:break-spaces}
.section{margin:4px 0 8px;display:flex;gap:16px;justify-content:space-between;align-items:start}.section>div{min-width:0;flex:1}
.folded>div{max-height:112px;overflow:hidden;mask:linear-gradient(#000 70%,#0003)}.folded{display:block}.folded::after{content:"See more";color:var(--l);display:block}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:8px}
.context{font-size:13px;line-height:1.38;color:var(--m);margin:6px 0;display:flex;flex-wrap:wrap;gap:2px 10px}
code,pre{font:12px/1.5 Monaco,Menlo,Consolas,"DejaVu Sans Mono","Noto Sans Mono CJK SC",monospace;background:var(--c);border:1px solid var(--e);border-radius:4px}
code{padding:2px 3px 1px;color:var(--r)}pre{margin:4px 0;padding:8px;white-space:pre-wrap}
.actions{display:flex;flex-wrap:wrap;gap:8px;margin:6px 0}
.button{display:inline-block;border:1px solid var(--e);border-radius:4px;padding:3px 11px 4px;font-weight:700;font-size:13px;white-space:nowrap}.button.primary{background:#007a5a;border-color:#007a5a;color:#fff}.button.danger{background:#e01e5a;border-color:#e01e5a;color:#fff}
.mention{background:var(--a);color:var(--l);border-radius:3px;padding:0 2px}.link{color:var(--l)}
blockquote{margin:0;padding-left:14px;border-left:4px solid var(--e)}
hr{border:0;border-top:1px solid var(--e);margin:12px 0}
.files{display:flex;flex-wrap:wrap;gap:8px;margin-top:6px}.files img{max-width:360px;max-height:360px;border-radius:8px}.file{border:1px solid var(--e);border-radius:8px;padding:8px 12px}
.input{margin:10px 0 14px}.field{display:flex;justify-content:space-between;border:1px solid var(--m);border-radius:4px;padding:6px 12px;margin-top:4px;min-height:34px}.field.tall{min-height:90px}
.modal{max-width:520px}.modal h3{margin:4px 0 12px;font-size:20px}.bar{text-align:right}.bar .button{margin-left:10px;padding:7px 16px}
`;
