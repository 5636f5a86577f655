import * as z from 'zod';

/**
 * A network namespace on a node, as a person names it: a process in it, a name of `ip netns`, or a container id (12 to
 * 64 hexadecimal digits, with a letter among them so that it is no pid).
 */
export const NetnsName = z
  .string()
  .regex(
    /^(?:[1-9]\d{0,6}|(?=.*[a-f])[0-9a-f]{12,64}|[A-Za-z_][A-Za-z0-9_.-]{0,63})$/,
    'a network namespace is a pid, a name of "ip netns" or a container id',
  );
export type NetnsName = z.infer<typeof NetnsName>;

/** A namespace that was found on its node, with what commands reach it by. */
export interface Netns {
  /** As it was asked for. */
  readonly name: string;
  /** A process in it: its /proc files can be read without root. Null for a name of `ip netns`. */
  readonly pid: string | null;
}

/** The namespace of a Kubernetes pod: its uid stands in the cgroup of each of its processes, whatever runtime it has. */
export function podNetns(uid: string): string | null {
  const name = `pod${uid}`;
  // mirror pods of the kubelet have a hash for a uid
  return /^pod(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/.test(name) ? name : null;
}

/** What a pod is called as a place: fit for a directory, and for people. `shop/cart-1` -> `shop.cart-1`. */
export function podPlace(namespace: string, name: string): string {
  const place = `${namespace}.${name}`;
  const short = place.length <= 64 ? place : `${place.slice(0, 31)}_${place.slice(-32)}`;
  return /^[a-z]/.test(short) ? short : `_${short.slice(0, 63)}`;
}

/** Node and namespace as one word, used wherever a place is named: `node-50@4321`. Node names have no "@". */
export function placeName(node: string, netns: string | undefined): string {
  return netns === undefined ? node : `${node}@${netns}`;
}

/** The node of a place. */
export function nodeOfPlace(place: string): string {
  return place.split('@', 1)[0] ?? place;
}
