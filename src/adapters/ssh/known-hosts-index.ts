import { type HostKeyName, type KnownHost, knownHostsName, matchesHost } from './known-hosts.ts';

/** The lines of a known_hosts file, found by the host that they speak of. */
export interface KnownHostsIndex {
  /** Every line that may count for this host, in the order of the file. */
  of(host: HostKeyName): readonly KnownHost[];
}

/** Names that are remembered with their lines; hashed names cost an HMAC per line and look-up. */
const maxRemembered = 20_000;

/** In a file with a line per node, each of the node's connections would otherwise look at every line. */
export function indexKnownHosts(lines: readonly KnownHost[]): KnownHostsIndex {
  const plain = new Map<string, KnownHost[]>();
  const patterns: KnownHost[] = [];
  for (const line of lines) {
    if (/[|*?!]/.test(line.hosts)) {
      patterns.push(line);
      continue;
    }
    for (const name of new Set(line.hosts.toLowerCase().split(','))) {
      const same = plain.get(name);
      if (same) same.push(line);
      else plain.set(name, [line]);
    }
  }
  const remembered = new Map<string, readonly KnownHost[]>();
  const linesOf = (name: string): readonly KnownHost[] => {
    const known = remembered.get(name);
    if (known) return known;
    const found = [...(plain.get(name) ?? []), ...patterns.filter((line) => matchesHost(line.hosts, name))];
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(name, found);
    return found;
  };
  return {
    of: (host) => {
      const names = [knownHostsName(host), knownHostsName({ ...host, port: 22 })];
      return [...new Set(names.flatMap(linesOf))].sort((a, b) => a.line - b.line);
    },
  };
}
