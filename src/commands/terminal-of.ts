/** Width and colour of an output stream, honestly: no colour where nobody asked for it or it goes into a file. */
export function terminalOf(stream: NodeJS.WriteStream): { readonly width: number; readonly colour: boolean } {
  const { NO_COLOR: noColour, FORCE_COLOR: forceColour } = process.env;
  const wanted = forceColour !== undefined && forceColour !== '' && forceColour !== '0';
  const colour =
    noColour !== undefined && noColour !== '' ? false : wanted || (stream.isTTY && process.env['TERM'] !== 'dumb');
  return { width: stream.isTTY ? Math.max(40, Math.min(stream.columns, 140)) : 100, colour };
}
