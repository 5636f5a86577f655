import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { createEarlyTeller, decidedSoFar, type SoFar } from '../../src/engine/decided-so-far.ts';
import { judge } from '../../src/engine/judge.ts';
import type { ProgressEvent } from '../../src/engine/ports.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import type { Finding } from '../../src/model/report.ts';
import type { RunRecord } from '../../src/model/run-record.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';

const here = path.join(import.meta.dirname, '..', 'cases');
const cases = readdirSync(here, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
const registries = { collectors, parsers, rules };
const keyOf = ({ rule, node, path: way }: Finding): string => `${rule} ${way?.from ?? ''} ${node}`;

/** The recorded run as it was at a moment of netcheck's clock. */
function soFarAt(atMs: number, record: RunRecord, evidence: readonly Evidence[]): SoFar {
  const toCome = evidence.filter(({ entry }) => entry.kind !== 'pcap' && entry.endedAtMs > atMs);
  const kinds = new Set(toCome.map(({ entry }) => collectors.get(entry.collector)?.when));
  return {
    plan: record.plan,
    clockOffsetsMs: record.clockOffsetsMs,
    isPending: ({ when }) => kinds.has(when),
    evidence: evidence.flatMap((one): readonly Evidence[] => {
      const { entry, stdout } = one;
      if (entry.endedAtMs <= atMs) return [one];
      if (entry.kind !== 'pcap' || entry.startedAtMs > atMs) return [];
      const seenUntilMs = atMs + (record.clockOffsetsMs[entry.node] ?? 0);
      const cut = { ...entry, endedAtMs: atMs, exit: { how: 'stopped', why: 'windowOver' } } as const;
      return [{ entry: cut, stdout: packetsUntil(stdout, seenUntilMs), stderr: new Uint8Array(0) }];
    }),
  };
}

/** The head of a pcap file up to a moment of its own clock (draft-ietf-opsawg-pcap). */
function packetsUntil(bytes: Uint8Array, untilMs: number): Uint8Array {
  if (bytes.length < 24) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = [0xa1b2c3d4, 0xa1b23c4d].includes(view.getUint32(0, true));
  const perMs = view.getUint32(0, isLittle) === 0xa1b23c4d ? 1e6 : 1e3;
  let at = 24;
  while (at + 16 <= bytes.length) {
    if (view.getUint32(at, isLittle) * 1000 + view.getUint32(at + 4, isLittle) / perMs > untilMs) break;
    at += 16 + view.getUint32(at + 8, isLittle);
  }
  return bytes.subarray(0, Math.min(at, bytes.length));
}

describe('what is told in the middle of a run', () => {
  /** How long before its end a run told something, of those that did, ms. */
  const early: number[] = [];

  it.each(cases)('%s: is confirmed in the report as well', async (name) => {
    const { record, evidence } = await loadRun(path.join(here, name, 'run.tar.gz'));
    const confirmed = new Set(
      judge(record, evidence, registries)
        .findings.filter(({ verdict }) => verdict === 'confirmed')
        .map(keyOf),
    );
    let toldAtMs: number | undefined;
    const stepMs = Math.max(500, (record.endedAtMs - record.startedAtMs) / 14);
    for (let atMs = record.startedAtMs + stepMs; atMs < record.endedAtMs; atMs += stepMs) {
      const told = decidedSoFar(record, soFarAt(atMs, record, evidence), registries);
      for (const finding of told) expect(confirmed, `${atMs - record.startedAtMs} ms`).toContain(keyOf(finding));
      if (told.length > 0) toldAtMs ??= atMs;
    }
    if (toldAtMs !== undefined) early.push(record.endedAtMs - toldAtMs);
  });

  it('is seconds early where packets or a first look decide', () => {
    expect(early.filter((ms) => ms > 2000).length).toBeGreaterThanOrEqual(6);
  });
});

describe('the teller', () => {
  async function setUp(name: string) {
    const { record, evidence } = await loadRun(path.join(here, name, 'run.tar.gz'));
    const events: ProgressEvent[] = [];
    let nowMs = 0;
    const tell = createEarlyTeller(() => record, registries, {
      now: () => (nowMs += 10),
      onProgress: (event) => events.push(event),
    });
    const at = (ms: number) => soFarAt(record.startedAtMs + ms, record, evidence);
    return { tell, at, events, later: (ms: number) => (nowMs += ms), endMs: record.endedAtMs - record.startedAtMs };
  }

  it('tells what is decided once, and looks no more', async () => {
    const { tell, at, events, later } = await setUp('zero-window');
    tell(() => at(500));
    expect(events).toEqual([]);
    later(5000);
    tell(() => at(4000));
    expect(events[0]).toMatchObject({ type: 'decided', rule: 'zero-window' });
    const count = events.length;
    later(5000);
    tell(() => expect.unreachable('it has told already'));
    expect(events).toHaveLength(count);
  });

  it('takes a small part of the time: no look soon after the last', async () => {
    const { tell, at, later } = await setUp('healthy');
    tell(() => at(500));
    tell(() => expect.unreachable('too soon'));
    later(1000);
    let looks = 0;
    tell(() => {
      looks++;
      return at(1000);
    });
    expect(looks).toBe(1);
  });

  it('lets the run go on when a look in the middle fails', async () => {
    const { at } = await setUp('healthy');
    const tell = createEarlyTeller(
      () => {
        throw new Error('a fault of our own');
      },
      registries,
      { now: () => 0, onProgress: () => expect.unreachable('nothing is decided') },
    );
    expect(() => tell(() => at(500))).not.toThrow();
  });
});
