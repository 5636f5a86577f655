/** Label values of one series. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  inc(labels: Labels, by?: number): void;
}

export interface Histogram {
  observe(labels: Labels, value: number): void;
}

/** One value of a gauge, as measured now. */
export interface Reading {
  readonly labels: Labels;
  readonly value: number;
}

export type Read = () => readonly Reading[] | Promise<readonly Reading[]>;

/** Numbers of one process, in Prometheus' text format 0.0.4. */
export interface MetricRegistry {
  /** @param name ends in `_total` @param labels their names, for every series of it */
  counter(name: string, help: string, labels: readonly string[]): Counter;
  /** @param name ends in its unit @param buckets upper bounds, ascending */
  histogram(name: string, help: string, labels: readonly string[], buckets: readonly number[]): Histogram;
  /** @param read asked at every scrape; where it rejects the gauge is left out */
  gauge(name: string, help: string, labels: readonly string[], read: Read): void;
  /** A counter that something else keeps; as {@link gauge} otherwise. */
  readCounter(name: string, help: string, labels: readonly string[], read: Read): void;
  /** Never rejects. */
  render(): Promise<string>;
}

export const metricContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** More series than this per metric are counted as one, whose every label is `other`. */
const maxSeries = 500;

interface Family {
  render(): Promise<readonly string[]>;
}

/**
 * An empty registry. Our own and not prom-client, because all of it is this file: three kinds, no default metrics that
 * nobody reads, and a bound on the number of series, which prom-client does not have.
 */
export function createMetricRegistry(): MetricRegistry {
  const families = new Map<string, Family>();

  const add = (name: string, type: string, help: string, render: () => Promise<readonly string[]>): void => {
    if (families.has(name)) throw new Error(`The metric ${name} is there twice`);
    families.set(name, {
      async render() {
        const lines = await render();
        if (lines.length === 0) return [];
        return [
          `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
          `# TYPE ${name} ${type}`,
          ...lines,
        ];
      },
    });
  };

  return {
    counter(name, help, labels) {
      const series = createSeries(labels, () => ({ value: 0 }));
      // A counter without labels is 0 before anything happens, so that its first increase can be seen.
      if (labels.length === 0) series.of({});
      add(name, 'counter', help, () =>
        Promise.resolve(series.all().map(([key, { value }]) => `${name}${key} ${value}`)),
      );
      return {
        inc(given, by = 1) {
          series.of(given).value += by;
        },
      };
    },
    histogram(name, help, labels, buckets) {
      const series = createSeries(labels, () => ({ counts: buckets.map(() => 0), sum: 0, count: 0 }));
      add(name, 'histogram', help, () =>
        Promise.resolve(
          series
            .all()
            .flatMap(([key, { counts, sum, count }]) => [
              ...buckets.map((bound, at) => `${name}_bucket${withLabel(key, 'le', String(bound))} ${counts[at] ?? 0}`),
              `${name}_bucket${withLabel(key, 'le', '+Inf')} ${count}`,
              `${name}_sum${key} ${sum}`,
              `${name}_count${key} ${count}`,
            ]),
        ),
      );
      return {
        observe(given, value) {
          if (!Number.isFinite(value)) return;
          const one = series.of(given);
          one.sum += value;
          one.count += 1;
          for (const [at, bound] of buckets.entries()) if (value <= bound) one.counts[at] = (one.counts[at] ?? 0) + 1;
        },
      };
    },
    gauge: (name, help, labels, read) => add(name, 'gauge', help, readings(name, labels, read)),
    readCounter: (name, help, labels, read) => add(name, 'counter', help, readings(name, labels, read)),
    async render() {
      const parts = await Promise.all([...families.values()].map((family) => family.render()));
      return `${parts.flat().join('\n')}\n`;
    },
  };
}

function readings(name: string, labels: readonly string[], read: Read): () => Promise<readonly string[]> {
  return async () => {
    try {
      const all = await read();
      return all.slice(0, maxSeries).map(({ labels: given, value }) => `${name}${keyOf(labels, given)} ${value}`);
    } catch {
      return [];
    }
  };
}

function createSeries<T>(
  labels: readonly string[],
  empty: () => T,
): { of(given: Labels): T; all(): readonly (readonly [string, T])[] } {
  const series = new Map<string, T>();
  const others = keyOf(labels, Object.fromEntries(labels.map((label) => [label, 'other'])));
  return {
    of(given) {
      const wanted = keyOf(labels, given);
      const key = series.has(wanted) || series.size < maxSeries ? wanted : others;
      let one = series.get(key);
      if (one === undefined) {
        one = empty();
        series.set(key, one);
      }
      return one;
    },
    all: () => [...series],
  };
}

/** `{a="x",b="y"}`, empty without labels. Values are cut: a label is for grouping, not for prose. */
function keyOf(labels: readonly string[], given: Labels): string {
  if (labels.length === 0) return '';
  const pairs = labels.map((label) => {
    const value = (given[label] ?? '').slice(0, 100);
    return `${label}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
  });
  return `{${pairs.join(',')}}`;
}

function withLabel(key: string, label: string, value: string): string {
  const pair = `${label}="${value}"`;
  return key === '' ? `{${pair}}` : `${key.slice(0, -1)},${pair}}`;
}
