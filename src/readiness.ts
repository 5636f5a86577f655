/** One thing that a process needs for its work. */
export interface ReadinessCheck {
  readonly name: string;
  /** `detail`: how it was proved, JSON values without secrets. Must not reject. */
  readonly look: () => Promise<
    | { readonly ok: true; readonly detail?: Readonly<Record<string, unknown>> }
    | { readonly ok: false; readonly why: string }
  >;
}

/** What `/readyz` answers. */
export interface Readiness {
  readonly ready: boolean;
  /** Since when it is so, as far as anybody asked; ISO 8601. */
  readonly since: string;
  readonly checks: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Anybody may ask, as often as he likes: what was found is good for so long. */
const keptForMs = 1000;

/** Looks at everything that a process needs; several who ask at once share one look. */
export function createReadiness(
  checks: readonly ReadinessCheck[],
  now: () => number = Date.now,
): () => Promise<Readiness> {
  const states = new Map<string, { readonly ok: boolean; readonly sinceMs: number }>();
  let kept: { readonly untilMs: number; readonly answer: Promise<Readiness> } | undefined;

  const since = (name: string, ok: boolean): string => {
    const known = states.get(name);
    const state = known?.ok === ok ? known : { ok, sinceMs: now() };
    states.set(name, state);
    return new Date(state.sinceMs).toISOString();
  };
  const lookAtAll = async (): Promise<Readiness> => {
    const seen = await Promise.all(
      checks.map(async ({ name, look }) => {
        const found = await look();
        return [
          name,
          {
            ok: found.ok,
            since: since(name, found.ok),
            ...(found.ok ? found.detail : { why: found.why }),
          },
        ] as const;
      }),
    );
    const ready = seen.every(([, { ok }]) => ok);
    return { ready, since: since('', ready), checks: Object.fromEntries(seen) };
  };
  return () => {
    if (kept === undefined || kept.untilMs <= now()) {
      const answer = lookAtAll();
      kept = { untilMs: Number.POSITIVE_INFINITY, answer };
      void answer.then(() => {
        kept = { untilMs: now() + keptForMs, answer };
      });
    }
    return kept.answer;
  };
}
