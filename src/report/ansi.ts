/** SGR codes (ECMA-48 8.3.117), each with the one that ends it. */
const codes = {
  bold: [1, 22],
  dim: [2, 22],
  inverse: [7, 27],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof codes;

/** Puts styles on a text that has no line feeds. Without colour it gives the text back as it is. */
export type Paint = (text: string, ...styles: readonly Style[]) => string;

/** @param colour whether the reader is a terminal that wants colour; the caller looks at NO_COLOR and isTTY. */
export function painter(colour: boolean): Paint {
  if (!colour) return (text) => text;
  return (text, ...styles) => {
    if (text === '') return text;
    const open = styles.map((style) => `\u001b[${codes[style][0]}m`).join('');
    const close = styles
      .map((style) => `\u001b[${codes[style][1]}m`)
      .reverse()
      .join('');
    return open + text + close;
  };
}

/** The text without the SGR sequences that `painter` writes. */
export function withoutAnsi(text: string): string {
  return text.replace(/\u001b\[[0-9;]*m/g, '');
}
