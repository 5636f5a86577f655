import type { InventoryNode } from '../model/inventory.ts';
import type { LookedUp } from '../model/plan.ts';
import type { Target } from '../model/symptom.ts';
import type { Inventory, Resolved } from './inventory.ts';
import type { ClusterReader } from './ports.ts';

/** A pod as the nodes themselves know it: the kubelet keeps a directory of logs for each. */
export interface PodOnNode {
  readonly node: InventoryNode;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface KubernetesOptions {
  readonly inventory: Inventory;
  /** Null: netcheck was given no access to an API. */
  readonly cluster: ClusterReader | null;
  /** Milliseconds since the epoch; a test's own. */
  readonly now?: () => number;
  /** Asks the nodes; `namespace: null`: any. */
  readonly podsOnNodes: (name: string, namespace: string | null) => Promise<readonly PodOnNode[]>;
  /** As for `PlanOptions.namespaceOn`. */
  readonly namespaceOn: (
    node: InventoryNode,
    netns: string,
  ) => Promise<{ readonly address: string; readonly isOwn: boolean }>;
}

/** A place of a run: a node, a namespace on it, or an address that no node owns. */
export type Place = Resolved & {
  readonly netns?: string;
  /** What the namespace is called in this run; absent: as `netns`. */
  readonly label?: string;
};

/** A node with a server of what was asked about. */
export interface ServerNode {
  readonly node: InventoryNode;
  readonly why: string;
  /** The namespace of the pod that serves, where it was found. */
  readonly pod?: Place & { readonly kind: 'node' };
  /** What the traffic is translated to; absent: the port is not known. */
  readonly server?: { readonly address: string; readonly port: number };
}

/** What a Kubernetes object is for a run. */
export interface FoundObject {
  readonly place: Place;
  /** Nodes that its traffic ends on: they stand in between, and are looked at as well. */
  readonly behind: readonly ServerNode[];
  readonly told: LookedUp;
}

export type KubernetesTarget = Extract<Target, { kind: 'kubernetes' }>;
