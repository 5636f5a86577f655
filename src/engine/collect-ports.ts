import type { KnownOwner } from './follow-path.ts';
import type { SessionPorts } from './node-session.ts';
import type { ClusterObserver, NodeSlots, NodeTransport } from './ports.ts';

export interface CollectPorts extends SessionPorts {
  readonly transport: NodeTransport;
  readonly slots: NodeSlots;
  /** Nodes that may join because the traffic goes on to them; left out: none does. */
  readonly ownerOf?: KnownOwner;
  /** Left out: netcheck has no access to Kubernetes. */
  readonly cluster?: ClusterObserver | undefined;
}
