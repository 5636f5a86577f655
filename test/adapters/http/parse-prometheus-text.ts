/** A family as a Prometheus server reads it. */
export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly series: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

/**
 * Reads the text format 0.0.4 as strictly as its description is, and throws at the first thing that is not in it.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function parsePrometheusText(text: string): readonly ParsedFamily[] {
  const families = new Map<string, ParsedFamily>();
  const seen = new Set<string>();
  const helped = new Set<string>();
  if (!text.endsWith('\n')) throw new Error('The last line has no end');
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)+)$/.exec(line);
    if (help?.[1] !== undefined) {
      if (helped.has(help[1])) throw new Error(`Two HELP lines of ${help[1]}`);
      helped.add(help[1]);
      continue;
    }
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (type?.[1] !== undefined && type[2] !== undefined) {
      if (families.has(type[1])) throw new Error(`Two TYPE lines of ${type[1]}`);
      families.set(type[1], { name: type[1], type: type[2], series: [] });
      continue;
    }
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\\\|\\"|\\n)*",?)+)\})? (-?[0-9.e+-]+|\+Inf|NaN)$/.exec(
        line,
      );
    if (sample?.[1] === undefined || sample[3] === undefined) throw new Error(`This is no line: ${line}`);
    const key = `${sample[1]}{${sample[2] ?? ''}}`;
    if (seen.has(key)) throw new Error(`Twice: ${key}`);
    seen.add(key);
    const base = sample[1].replace(/_(?:bucket|sum|count)$/, '');
    const family = [...families.values()].at(-1);
    if (family === undefined || (family.name !== sample[1] && !(family.type === 'histogram' && family.name === base)))
      throw new Error(`${sample[1]} does not stand below its TYPE`);
    if (family.type === 'counter' && !family.name.endsWith('_total'))
      throw new Error(`${family.name} does not end in _total`);
    const labels = Object.fromEntries(
      [...(sample[2] ?? '').matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)].map(
        ([, name = '', value = '']) => [
          name,
          value.replace(/\\(.)/g, (_all, char: string) => (char === 'n' ? '\n' : char)),
        ],
      ),
    );
    const value = Number(sample[3]);
    if (Number.isNaN(value)) throw new Error(`No number: ${line}`);
    family.series.push({ name: sample[1], labels, value });
  }
  for (const { name } of families.values()) if (!helped.has(name)) throw new Error(`${name} has no HELP`);
  return [...families.values()];
}
