import type { Listener } from '../model/facts.ts';
import { familyOf, isWildcard, sameAddress } from './ip-address.ts';

/** Who listens on a port, and for which addresses. */
export interface PortListeners {
  /** On the port, whatever the address. */
  readonly onPort: readonly Listener[];
  /** On the port, and for the target's address. */
  readonly covering: readonly Listener[];
  /** Covering only if the socket is not IPv6-only: `::` for an IPv4 address. `ss` does not tell. */
  readonly onlyIfDual: boolean;
}

/** Listeners of `listeners` on the target's port. `[::]` covers IPv4 unless the socket is IPv6-only (ipv6(7)). */
export function listenersFor(
  listeners: readonly Listener[],
  protocol: 'tcp' | 'udp',
  target: { readonly address: string; readonly port: number },
): PortListeners {
  const onPort = listeners.filter((l) => l.protocol === protocol && l.port === target.port);
  const v4 = familyOf(target.address) === 4;
  const sure = onPort.filter(
    (l) => sameAddress(l.address, target.address) || (isWildcard(l.address) && (l.address.includes(':') ? !v4 : v4)),
  );
  const dual = v4 ? onPort.filter((l) => l.address.includes(':') && isWildcard(l.address)) : [];
  return { onPort, covering: [...sure, ...dual], onlyIfDual: sure.length === 0 && dual.length > 0 };
}
