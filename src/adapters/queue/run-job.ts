import * as z from 'zod';
import type { RunRequest } from '../../engine/ports.ts';
import { Trial } from '../../model/change.ts';
import { languages } from '../../model/language.ts';

const JobRequest = z.strictObject({
  id: z.string(),
  text: z.string(),
  language: z.enum(languages),
  askedBy: z.string(),
  askedAtMs: z.number(),
  thread: z.strictObject({ channel: z.string(), rootTs: z.string(), statusTs: z.string() }),
  recheckOf: z.string().optional(),
  wasRead: z.boolean().optional(),
  origin: z.enum(['alert', 'schedule']).optional(),
  trial: Trial.optional(),
});

/** What a job carries. `submission` tells the delivery that made it from one that came again. */
export const RunJob = z.strictObject({ submission: z.string(), request: JobRequest });
export type RunJob = z.infer<typeof RunJob>;

/** The request of a job, or undefined where another version of netcheck wrote something that this one cannot read. */
export function requestOf(data: unknown): RunRequest | undefined {
  const read = RunJob.safeParse(data);
  if (!read.success) return undefined;
  return withoutUndefined(read.data.request);
}

/** A request as it was written down beside the queue. */
export function readRequest(json: string | null): RunRequest | undefined {
  if (json === null) return undefined;
  try {
    const read = JobRequest.safeParse(JSON.parse(json));
    return read.success ? withoutUndefined(read.data) : undefined;
  } catch {
    return undefined;
  }
}

function withoutUndefined({ recheckOf, wasRead, origin, trial, ...request }: z.infer<typeof JobRequest>): RunRequest {
  return {
    ...request,
    ...(recheckOf === undefined ? {} : { recheckOf }),
    ...(wasRead === undefined ? {} : { wasRead }),
    ...(origin === undefined ? {} : { origin }),
    ...(trial === undefined ? {} : { trial }),
  };
}
