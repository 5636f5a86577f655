import { isIP } from 'node:net';

const mark = '[redacted]';

/** Magic numbers of pcap (both byte orders, micro- and nanoseconds) and pcapng. */
const captureMagic = new Set([0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a]);

/**
 * What is looked for. Groups: `head` and `tail` stay, `secret` goes.
 *
 * Every expression takes linear time: it starts with a fixed word, and what follows is bounded or cannot hold another
 * start that scans the same bytes again. None crosses a line end. `[^ \t\r\n]` instead of `\S`: JavaScript counts the
 * byte A0 as a blank, and here that is half of a UTF-8 letter.
 */
const patterns: readonly RegExp[] = [
  // scheme://user:password@host. A password may hold an @ itself (the last one before the path counts), or a slash
  // (unless what stands before the slash is a port).
  /(?<head>:\/\/[^ \t\r\n/:@"'<>]*:)(?<secret>[^ \t\r\n/"'<>]+)(?<tail>@)/g,
  /(?<head>:\/\/[^ \t\r\n/:@"'<>]*:)(?!\d{1,5}\/)(?<secret>[^ \t\r\n@"'<>,]{1,200})(?<tail>@)/g,
  /(?<head>https?:\/\/)(?<secret>[A-Za-z0-9_-]{20,})(?<tail>@)/g,

  // HTTP headers. Digest, AWS4 and OAuth have several name=value parts.
  /(?<head>authorization\\*["']?[ \t]{0,20}[:=][ \t]{0,20}\\*["']?(?:digest|aws4-hmac-sha256|oauth)[ \t]{1,20})(?<secret>(?:[a-z0-9_*-]{1,30}=(?:"[^"\r\n]*"?|[^ \t\r\n,"']*)[ \t]{0,5},?[ \t]{0,5})+)/gi,
  /(?<head>authorization\\*["']?[ \t]{0,20}[:=][ \t]{0,20}\\*["']?(?:[a-z0-9-]{2,20}[ \t]{1,20})?)(?<secret>[^ \t\r\n"'\\]+)/gi,
  /(?<head>\bbearer[ \t]{1,20})(?<secret>[A-Za-z0-9._~+/=-]{8,})/gi,
  /(?<head>\b(?:set-)?cookie:[ \t]{0,20})(?<secret>[^\r\n"']+)/gi,

  // Tokens that are known by their looks.
  /(?<secret>xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{6,})/g,
  /(?<secret>xapp-\d-[A-Za-z0-9-]{6,})/g,
  /(?<![A-Za-z0-9])(?<secret>(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16})(?![A-Za-z0-9])/g,
  /(?<![A-Za-z0-9])(?<secret>gh[pousr]_[A-Za-z0-9]{20,})/g,
  /(?<![A-Za-z0-9_-])(?<secret>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)/g,

  // Keys and tokens of clouds and forges, known by their looks.
  /(?<![A-Za-z0-9_-])(?<secret>AIza[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])/g,
  /(?<![A-Za-z0-9_-])(?<secret>(?:ya29\.|glpat-|github_pat_|npm_|dop_v1_|hv[sb]\.|sk_live_|rk_live_)[A-Za-z0-9_.-]{20,})/g,
  /(?<![A-Za-z0-9_-])(?<secret>SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})/g,
  /(?<head>hooks\.slack\.com\/(?:services|workflows|triggers)\/)(?<secret>[A-Za-z0-9/_-]{20,})/g,
  /(?<head>\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)(?<secret>[^ \t\r\n;"',&]+)/gi,
  /(?<head>[?&;](?:sig|signature|x-amz-signature|x-goog-signature|awsaccesskeyid|code|jwt|sid|sessionid|key)=)(?<secret>[A-Za-z0-9%._~+/=-]{8,})/gi,
  /(?<head>\bx-(?:[a-z0-9]{1,20}-){1,4}(?:token|key|secret|password)\\*["']?[ \t]{0,20}[:=][ \t]{0,20}\\*["']?)(?<secret>[^ \t\r\n"'\\,;]+)/gi,

  // Options of programs as process lists show them. What stands between is bounded.
  /(?<head>\b(?:mysql|mysqldump|mysqladmin|mariadb)[ \t][^\r\n]{0,200}?[ \t]-p)(?<secret>[^ \t\r\n-][^ \t\r\n]*)/g,
  /(?<head>\bredis-cli[ \t][^\r\n]{0,200}?-a[ \t]{1,20})(?<secret>'[^'\r\n]*'?|"[^"\r\n]*"?|[^ \t\r\n]+)/g,
  /(?<head>\bcurl[ \t][^\r\n]{0,200}?(?:-u|-U|--user|--proxy-user)[ \t=]{0,20}["']?[^ \t\r\n:"']{1,100}:)(?<secret>[^ \t\r\n"']+)/g,

  // Environments of containers: {"name": "DB_PASSWORD", "value": "…"}, also as YAML on two lines of one block.
  /(?<head>"name"[ \t]{0,20}:[ \t]{0,20}"[^"\r\n]{0,100}(?:password|passwd|passphrase|secret|token|api_?key|private_?key|credential)[^"\r\n]{0,100}"[ \t]{0,20},[ \t]{0,20}"value"[ \t]{0,20}:[ \t]{0,20})(?<secret>"(?:[^"\\\r\n]|\\[^\r\n])*"?)/gi,

  // What sudo and ssh ask, with an answer that was echoed, and what scripts give them.
  /(?<head>\bpass(?:word|phrase) for (?:key )?[^ \t\r\n:]{1,200}:[ \t]{0,20})(?<secret>[^ \t\r\n]+)/gi,
  /(?<head>\bsshpass[ \t]{1,20}-p[ \t]{0,20})(?<secret>'[^'\r\n]*'?|"[^"\r\n]*"?|[^ \t\r\n]+)/g,
  /(?<head>\becho[ \t]{1,20})(?<secret>'[^'\r\n]*'|"[^"\r\n]*"|[^ \t\r\n|]+)(?<tail>[ \t]{0,20}\|[ \t]{0,20}sudo[ \t])/g,

  // --password VALUE on a command line.
  /(?<head>--(?:[a-z]{1,20}-){0,3}(?:password|passwd|passphrase|secret|token|api-?key)[ \t]{1,20})(?<secret>'[^'\r\n]*'?|"[^"\r\n]*"?|[^ \t\r\n"'-][^ \t\r\n]*)/gi,

  // password=VALUE, "password": "VALUE", PGPASSWORD=VALUE, aws_secret_access_key = VALUE. An unquoted value ends at a
  // blank, a quote or &, and at a comma or semicolon where the next name=value begins. Not `/etc/passwd: No such file`.
  /(?<head>(?<!\/)(?:password|passwd|passphrase|pwd|psk|pre-?shared[_-]?key|secret|secret[_-]?(?:access[_-]?)?key|private[_-]?key|api[_-]?key|(?:access|auth|api|bot|app|refresh|session|id|client|security)[_-]?token|token(?==)|credentials?)\\*["']?[ \t]{0,20}(?:=>|[=:])[ \t]{0,20})(?<secret>"(?:[^"\\\r\n]|\\[^\r\n])*"?|\\+"[^"\r\n]*"?|'[^'\r\n]*'?|(?:[^ \t\r\n"'&,;]|[,;](?![\w.-]{0,40}[=:]|[ \t\r\n]|$))+)/gi,
];

/**
 * Takes secrets out of a command's output before it is stored, posted or parsed: private keys, passwords in
 * assignments, URLs, prompts and command lines, authorization headers, bearer tokens, cookies, AWS, Slack and GitHub
 * tokens, JWTs. The place of each says `[redacted]`. Line ends stay, so that "line 7" means the same line; addresses
 * stay, because without them no network fault can be found. Packet captures come back as they are.
 *
 * Works on bytes of any kind in time linear in their number; redacting twice changes nothing.
 */
export function redactSecrets(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly redactions: number } {
  if (isCapture(bytes)) return { bytes, redactions: 0 };
  const before = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const keys = redactKeys(before);
  let { text, redactions } = keys;
  for (const pattern of patterns) {
    text = text.replace(pattern, (whole: string, ...rest: unknown[]) => {
      const { head = '', secret = '', tail = '' } = rest.at(-1) as { head?: string; secret?: string; tail?: string };
      const open = /^\\*["']/.exec(secret)?.[0] ?? '';
      const close = open === '' ? '' : (/\\*["']$/.exec(secret.slice(open.length))?.[0] ?? '');
      const value = secret.slice(open.length, secret.length - close.length);
      if (value === '' || value === mark || isIP(value) !== 0) return whole;
      redactions += 1;
      return `${head}${open}${mark}${close}${tail}`;
    });
  }
  return redactions === 0 ? { bytes, redactions } : { bytes: Buffer.from(text, 'latin1'), redactions };
}

function isCapture(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  return captureMagic.has(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0));
}

/** A real key is far shorter; further away is another text's end. */
const maxKeyCharacters = 32 * 1024;

/** Private key blocks (RFC 7468 section 10, RFC 9580 section 6.2), also on one line with escaped line ends. */
function redactKeys(text: string): { text: string; redactions: number } {
  const begin = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
  const ends = [...text.matchAll(/-----END [A-Z0-9 ]{0,40}PRIVATE KEY/g)].map((found) => found.index);
  const parts: string[] = [];
  let done = 0;
  let redactions = 0;
  let nextEnd = 0;
  for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
    const from = begin.lastIndex;
    while ((ends[nextEnd] ?? Number.POSITIVE_INFINITY) < from) nextEnd += 1;
    const end = ends[nextEnd];
    const to = end !== undefined && end - from <= maxKeyCharacters ? end : endOfCutKey(text, from);
    const body = text.slice(from, to);
    const hidden = body.replace(/[^\r\n]+/g, (line) => (/^[ \t]*$/.test(line) ? line : mark));
    if (hidden !== body) redactions += 1;
    parts.push(text.slice(done, from), hidden);
    done = to;
    begin.lastIndex = to;
  }
  return redactions === 0 ? { text, redactions } : { text: parts.join('') + text.slice(done), redactions };
}

/** Where a key whose end is missing stops to look like one: the rest of its first line, and lines of base64. */
function endOfCutKey(text: string, from: number): number {
  const lineEnd = (at: number): number => {
    const found = text.indexOf('\n', at);
    return found === -1 ? text.length : found;
  };
  let end = lineEnd(from);
  while (end < text.length) {
    const next = lineEnd(end + 1);
    const line = text.slice(end + 1, next);
    if (
      !/^[ \t]*(?:[A-Za-z0-9+/=]*|(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|MessageID): [^\r\n]*)\r?$/.test(
        line,
      ) &&
      line !== mark
    )
      break;
    end = next;
  }
  return end;
}
