import { createGate, type Gate } from './gate.ts';

/** One gate per host that connections are opened to, and one for all of them together. */
export interface ConnectGates {
  of(host: string): Pick<Gate, 'enter'>;
  /** Hosts that somebody is at or waits for. */
  readonly size: number;
}

export function createConnectGates(perHost: number, together: number): ConnectGates {
  const all = createGate(together);
  const hosts = new Map<string, Gate>();
  return {
    get size() {
      return hosts.size;
    },
    of: (host) => ({
      async enter(signal) {
        const own = hosts.get(host) ?? createGate(perHost);
        hosts.set(host, own);
        const forget = (): void => {
          if (own.size === 0 && hosts.get(host) === own) hosts.delete(host);
        };
        let leaveOwn: (() => void) | undefined;
        try {
          // The host's own gate first: whoever waits for a busy host takes no place from the others.
          leaveOwn = await own.enter(signal);
          const leaveAll = await all.enter(signal);
          const leaveHost = leaveOwn;
          return () => {
            leaveAll();
            leaveHost();
            forget();
          };
        } catch (error) {
          leaveOwn?.();
          forget();
          throw error;
        }
      },
    }),
  };
}
