/** Milliseconds as seconds for a sentence: `0.2`, `1.66`, `905`. */
export function secondsText(ms: number): string {
  const seconds = ms / 1000;
  return String(seconds >= 100 ? Math.round(seconds) : Number(seconds.toPrecision(3)));
}

/** A share of 0 to 1 as per cent: `0.4`, `12`. */
export function percentText(share: number): string {
  const percent = share * 100;
  return String(percent >= 10 ? Math.round(percent) : Number(percent.toPrecision(2)));
}
