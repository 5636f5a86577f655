/** Port ranges of a setting such as ip_local_reserved_ports: `8080,9148,30000-32767`. Anything else is left out. */
export function reservedPorts(value: string | null | undefined): readonly { from: number; to: number }[] {
  return (value ?? '').split(',').flatMap((part) => {
    const [, from, to] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    return from === undefined ? [] : [{ from: Number(from), to: Number(to ?? from) }];
  });
}

export function isReserved(port: number, reserved: readonly { from: number; to: number }[]): boolean {
  return reserved.some(({ from, to }) => port >= from && port <= to);
}

/** Ports of `from`-`to` that are not reserved. */
export function portCount(from: number, to: number, reserved: readonly { from: number; to: number }[]): number {
  let count = 0;
  for (let port = Math.max(0, from); port <= Math.min(65_535, to); port += 1)
    if (!isReserved(port, reserved)) count += 1;
  return count;
}
