import * as z from 'zod';
import { IpAddress, NodeName, Port } from './inventory.ts';
import { NetnsName } from './netns.ts';

/** What a person may point at. Kubernetes kinds are resolved to nodes before a run starts. */
export const Target = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('node'),
    node: NodeName,
    /** Network namespace on that node, a pod's for example. */
    netns: NetnsName.optional(),
  }),
  z.strictObject({
    kind: z.literal('address'),
    address: IpAddress,
    /** Of several nodes that have this address, the one that is meant. */
    node: NodeName.optional(),
  }),
  z.strictObject({
    kind: z.literal('kubernetes'),
    object: z.enum(['pod', 'svc', 'deploy', 'nodeport', 'ingress']),
    namespace: z.string().optional(),
    name: z.string(),
  }),
]);
export type Target = z.infer<typeof Target>;

/** What was reported, after validation: the only thing a person types that goes further than the grammar. */
export const Symptom = z.strictObject({
  /** The text as it was asked, cleaned of chat mark-up. Shown, never run. */
  text: z.string(),
  target: Target,
  port: Port,
  /**
   * The whole node, whatever its ports: an audit. Nothing is captured, probed or read twice; `port` is then only where
   * SSH comes in.
   */
  about: z.literal('node').optional(),
  protocol: z.enum(['tcp', 'udp']).default('tcp'),
  from: z.array(Target).default([]),
  via: z.array(Target).default([]),
  /** Payload size to probe with, bytes. */
  sizeBytes: z.number().int().min(1).max(65507).optional(),
  /** How long to watch, milliseconds. */
  watchMs: z.number().int().min(1000).max(300_000).optional(),
  /** Playbook that the person chose. Absent: chosen by symptom words. */
  playbook: z.string().optional(),
  /** Symptom words that were left over, in the order typed. */
  words: z.array(z.string()).default([]),
});
export type Symptom = z.infer<typeof Symptom>;
