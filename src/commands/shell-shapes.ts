import { type CommandShape, lineFeed } from '../engine/command-shapes.ts';

/** Written for a line feed inside a word: scripts that are printed have no control characters. */
const written = '@NL@';

/**
 * Lines of POSIX sh: `shapes TOOL'` prints the expressions of one tool, `shapes ''` all of them, one on each line; `$feed` is the character that stands for a
 * line feed inside a word. A here-document, so that no shell has to count the quotes and brackets in it.
 */
export function shapesFunction(shapes: readonly CommandShape[]): string {
  const lines = shapes.map(({ pattern }) => pattern.replaceAll(lineFeed, written));
  return `feed=$(printf '\\001')
shapes() {
sed -n "s/${written}/$feed/g; /^'$1/p" <<'SHAPES'
${[...new Set(lines)].sort().join('\n')}
SHAPES
}`;
}
