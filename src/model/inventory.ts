import * as z from 'zod';

/** A node's name as people type it: letters, digits, dot, dash, underscore; at most 253 characters. */
export const NodeName = z
  .string()
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/,
    'a node name has only letters, digits, ".", "-" and "_"',
  );

export const IpAddress = z.union([z.ipv4(), z.ipv6()]);
export const Port = z.number().int().min(1).max(65535);

/** A machine that netcheck may log in to. Everything in it is validated before it can reach a command line. */
export const InventoryNode = z.strictObject({
  name: NodeName,
  /** Where SSH connects: an IP address or a host name. */
  address: z.string().min(1).max(253),
  /** The address that is diagnosed when the node is the target; `address` unless told otherwise. */
  target: IpAddress.optional(),
  /** Further addresses that the node owns (virtual, second NIC). Also learned from the node itself. */
  serves: z.array(IpAddress).default([]),
  port: Port.default(22),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_.-]*\$?$/i)
    .optional(),
  /** Name of the inventory node, or `[user@]host[:port]`, to jump through (ProxyJump). */
  jump: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  /** Prefix commands that need root with `sudo -n`. Not used when the login user is root. */
  sudo: z.boolean().default(false),
  /** Private key file for this node; from ssh_config when `sshConfig: true`. */
  identityFile: z.string().optional(),
  /** Alias under which the host key is recorded in known_hosts. */
  hostKeyAlias: z.string().optional(),
});
export type InventoryNode = z.infer<typeof InventoryNode>;
