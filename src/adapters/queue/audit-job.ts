import { deflateRawSync, inflateRawSync } from 'node:zlib';
import * as z from 'zod';
import type { AuditRequest, AuditStep } from '../../engine/ports.ts';
import { AuditOutcome, AuditReport } from '../../model/audit-report.ts';
import { type ErrorCode, NetcheckError } from '../../model/errors.ts';
import { languages } from '../../model/language.ts';
import { AuditJob } from '../../model/node-audit.ts';

const Request = z.strictObject({
  id: z.string(),
  playbook: z.string().optional(),
  selector: z.string(),
  language: z.enum(languages),
  askedBy: z.string(),
  askedAtMs: z.number(),
  origin: z.literal('schedule').optional(),
  thread: z.strictObject({ channel: z.string(), rootTs: z.string(), statusTs: z.string() }).optional(),
});

/** The parent of a flow. `submission` tells the delivery that made it from one that came again. */
export const AuditFlowJob = z.strictObject({ submission: z.string(), request: Request });
export type AuditFlowJob = z.infer<typeof AuditFlowJob>;

/** The request of a parent, or undefined where another version of netcheck wrote what this one cannot read. */
export function auditRequestOf(data: unknown): AuditRequest | undefined {
  const read = AuditFlowJob.safeParse(data);
  if (!read.success) return undefined;
  const { playbook, origin, thread, ...request } = read.data.request;
  return {
    ...request,
    ...(playbook === undefined ? {} : { playbook }),
    ...(origin === undefined ? {} : { origin }),
    ...(thread === undefined ? {} : { thread }),
  };
}

/** A child of a flow. */
export function nodeJobOf(data: unknown): AuditJob | undefined {
  const read = AuditJob.safeParse(data);
  return read.success ? read.data : undefined;
}

export const AuditCancelMessage = z.strictObject({ audit: z.string(), by: z.string() });

const StepMessage = z.strictObject({
  node: z.string(),
  outcome: AuditOutcome,
  tookMs: z.number(),
  findings: z.number(),
  done: z.number(),
  total: z.number(),
});

/** A message on the channel of an audit: a step, or that its end is there to be read. */
export function stepOf(text: string): AuditStep | 'ended' | undefined {
  if (text === 'ended') return 'ended';
  try {
    return StepMessage.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const End = z.union([
  z.strictObject({ report: AuditReport }),
  z.strictObject({ error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string() }) }),
]);

/** How an audit ended, as it is kept for those who follow it. */
export function packEnd(end: AuditReport | NetcheckError): Buffer {
  const plain =
    end instanceof NetcheckError
      ? { error: { code: end.code, message: end.message, hint: end.hint } }
      : { report: end };
  return deflateRawSync(JSON.stringify(plain));
}

/** @throws NetcheckError what the audit failed with */
export function unpackEnd(packed: Buffer): AuditReport {
  const end = End.parse(JSON.parse(inflateRawSync(packed, { maxOutputLength: maxReportBytes }).toString('utf8')));
  if ('report' in end) return end.report;
  const { code, message, hint } = end.error;
  throw new NetcheckError(code as ErrorCode, message, hint);
}

/** A hundred thousand nodes with something to say about each. */
const maxReportBytes = 256_000_000;
