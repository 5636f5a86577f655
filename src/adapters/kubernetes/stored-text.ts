import * as z from 'zod';

/** Text of the API as it is kept: what is missing, null or empty counts as not there. */
export const optionalText = z
  .string()
  .nullish()
  .transform((value) => (value === '' ? undefined : (value ?? undefined)));

/** A list that may be missing or null; items that are not what they should be are left out. */
export function listOf<Shape extends z.ZodType>(shape: Shape, most = 200): z.ZodType<z.output<Shape>[]> {
  return z
    .array(z.unknown())
    .nullish()
    .transform((items) =>
      (items ?? []).slice(0, most).flatMap((item) => {
        const one = shape.safeParse(item);
        return one.success ? [one.data] : [];
      }),
    ) as z.ZodType<z.output<Shape>[]>;
}

/** Labels with values that labels may have; no more than people give. */
export const Labels = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((all) =>
    Object.fromEntries(
      Object.entries(all ?? {})
        .filter((pair): pair is [string, string] => typeof pair[1] === 'string' && pair[1].length <= 63)
        .filter(([key]) => key.length <= 317)
        .slice(0, 64),
    ),
  );

/** What the API says of the state of an object (`status.conditions`). */
export const Condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: optionalText,
  message: optionalText,
  lastTransitionTime: optionalText,
});

/** RFC 3339 -> milliseconds since the epoch. */
export function timeOf(text: string | undefined): number | null {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isFinite(time) ? time : null;
}

/** A sentence of the API on one line and cut: it may be anything. */
export function oneLine(text: string | undefined): string {
  return (text ?? '')
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, 300);
}

/** `Reason: message`, or whichever of the two there is. */
export function reasonOf(reason: string | undefined, message: string | undefined): string | null {
  const parts = [reason, message].map(oneLine).filter((part) => part !== '');
  return parts.length === 0 ? null : parts.join(': ').slice(0, 300);
}

export function protocolOf(text: string | undefined): 'tcp' | 'udp' | 'sctp' {
  return text === 'UDP' ? 'udp' : text === 'SCTP' ? 'sctp' : 'tcp';
}
