/**
 * Makes text from the outside world safe to show: nothing in it moves a cursor, changes a colour, hides itself or
 * turns the reading direction. What was there stays visible: ESC becomes `␛`, U+202E becomes `\u202e`.
 * Line feeds and tabs are kept as white space (CR LF becomes LF); layout is the renderer's business.
 */
export function visibleText(text: string): string {
  // Nearly all text is printable ASCII, and the expressions below are slow to compile.
  if (/^[ -~]*$/.test(text)) return text;
  return (
    text
      .replace(/\r\n?/g, '\n')
      // ECMA-48: C0 and DEL have pictures of their own (U+2400..U+2421); C1 has none. U+009B is CSI in one character.
      .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
      .replace(/\u007f/g, '\u2421')
      .replace(/[\u0080-\u009f]/g, escaped)
      // Default-ignorable and bidirectional controls (UAX #9), separators that some viewers break lines at, tag letters.
      .replace(/[\u034f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g, escaped)
      .replace(/[\u{e0000}-\u{e0fff}]/gu, escaped)
      .replace(/\p{Surrogate}/gu, '\ufffd')
      // More than four marks on one letter is nobody's orthography; it paints over the lines around it.
      .replace(/(\p{Mark}{4})\p{Mark}+/gu, '$1')
  );
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code > 0xffff) return `\\u{${code.toString(16)}}`;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
