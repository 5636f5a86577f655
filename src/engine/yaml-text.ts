/** Letters that stand for themselves without quotes in every place of a YAML document, and mean a string there. */
const plain = /^[A-Za-z/][A-Za-z0-9_./-]{0,120}$/;
/** Plain words that YAML 1.1 or 1.2, or one of their readers, takes for something else: `e0` is a float to some. */
const special = /^(?:true|false|null|yes|no|on|off|y|n|nan|inf|e-?\d+)$/i;

/**
 * Plain data as a YAML document in block style. Strings that could mean anything but themselves stand in double quotes with
 * JSON's escapes, which are YAML's as well (YAML 1.2.2, 7.3.1): nothing in them ends the string.
 */
export function yamlText(value: unknown): string {
  return `${blockOf(value, 0).join('\n')}\n`;
}

/** A text of any kind as lines of a comment: it cannot end the comment. */
export function yamlComment(text: string): readonly string[] {
  return text
    .split(/\r\n|[\n\r\u0085\u2028\u2029]/u)
    .map((line) => `# ${line.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufeff]/gu, '')}`.trimEnd());
}

function blockOf(value: unknown, indent: number): readonly string[] {
  const pad = ' '.repeat(indent);
  if (Array.isArray(value)) {
    if (value.length === 0) return [`${pad}[]`];
    return value.flatMap((item) => {
      const [first = '', ...rest] = blockOf(item, indent + 2);
      return [`${pad}- ${first.trimStart()}`, ...rest];
    });
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    if (entries.length === 0) return [`${pad}{}`];
    return entries.flatMap(([key, item]) => {
      const name = `${pad}${scalar(key)}:`;
      const isBlock = typeof item === 'object' && item !== null && Object.keys(item as object).length > 0;
      if (!isBlock) return [`${name} ${(blockOf(item, 0)[0] ?? '').trimStart()}`];
      return [name, ...blockOf(item, indent + 2)];
    });
  }
  return [`${pad}${scalar(value)}`];
}

function scalar(value: unknown): string {
  if (typeof value === 'string') {
    if (plain.test(value) && !special.test(value)) return value;
    // what YAML takes for an end of line, or does not allow, JSON leaves as it is
    return JSON.stringify(value).replaceAll(
      /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/gu,
      (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  }
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'null';
}
