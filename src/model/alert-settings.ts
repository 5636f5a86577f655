import * as z from 'zod';
import { IpAddress, NodeName, Port } from './inventory.ts';

const LabelName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'the name of a label');
/** The value that the alert has for this label. */
const LabelRef = z.strictObject({ label: LabelName });
export type LabelRef = z.infer<typeof LabelRef>;

const Place = z.union([NodeName, IpAddress, LabelRef]);
const Places = z.union([Place.transform((one) => [one]), z.array(Place).max(8)]);
/** The object that the alert names: `pod` or another label, in the namespace of the label `namespace`. */
const ObjectRef = z.strictObject({
  kind: z.enum(['pod', 'svc', 'deploy']),
  label: LabelName,
  namespace: LabelName.default('namespace'),
});

/** How the labels of an alert become a question. Each value is checked as strictly as if a person had typed it. */
export const AlertAsk = z.strictObject({
  /** A name or address, also as `host:port` or an URL; a port in it counts where `port` says nothing else. */
  target: z.union([Place, ObjectRef]).default({ label: 'instance' }),
  port: z.union([Port, LabelRef]).optional(),
  protocol: z.enum(['tcp', 'udp']).default('tcp'),
  from: Places.default([]),
  via: Places.default([]),
  playbook: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'the id of a playbook')
    .optional(),
});
export type AlertAsk = z.infer<typeof AlertAsk>;

/** Id of a channel, as Slack shows it at the end of "About this channel". */
export const ChannelId = z.string().regex(/^[CG][A-Z0-9]{2,20}$/, 'the id of a channel, for example C0INCIDENT');

const Pattern = z.string().max(500);

/** Alerts that have all these labels go to this channel, and this is asked about them. */
export const AlertRoute = z.strictObject({
  /** Label -> value, or several of which one must be it; `*` at the end stands for any rest. */
  match: z.record(LabelName, z.union([Pattern.transform((one) => [one]), z.array(Pattern).min(1)])).default({}),
  channel: ChannelId.optional(),
  ask: AlertAsk.prefault({}),
});
export type AlertRoute = z.infer<typeof AlertRoute>;

/** `alerts` of netcheck.yaml. */
export const AlertSettings = z.strictObject({
  /** Where alerts go whose route names no channel, and those that no route matches. Absent: those are dropped. */
  channel: ChannelId.optional(),
  /** Runs that alerts may begin per minute, over all bots; further alerts of that minute are only told. */
  runsPerMinute: z.number().int().min(1).max(60).default(10),
  /** The first that matches counts. */
  routes: z.array(AlertRoute).max(200).default([]),
});
export type AlertSettings = z.infer<typeof AlertSettings>;
