import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import * as z from 'zod';
import type { AuditBaselines, KeyValue } from './engine/ports.ts';
import { type AuditBaseline, BaselineNode } from './model/audit-baseline.ts';
import { ScheduleState } from './model/schedule-state.ts';

/** A schedule that has not fired for so long begins anew. */
const keepMs = 400 * 24 * 3600_000;
/** Redis is not the place for more; counters go first, they are read anew. */
const maxBaselineBytes = 8 * 1024 * 1024;

const pack = promisify(gzip);
const unpack = promisify(gunzip);

const StoredBaseline = z.object({
  id: z.string(),
  playbook: z.string(),
  selector: z.string(),
  startedAtMs: z.number(),
  nodes: z.array(BaselineNode),
});

/**
 * What a schedule remembers, in Redis: the next firing may be another machine's. What an audit is compared with is the
 * schedule's own, so that an audit that somebody asks for in between takes no change away from the channel.
 *
 * @param key differs for two schedules, and for a schedule whose question was changed
 */
export function createScheduleMemory(store: KeyValue, key: string) {
  const stateKey = `netcheck:schedule:${key}`;
  const baselineKey = `netcheck:schedule-baseline:${key}`;
  let pending: AuditBaseline | undefined;

  const baselines: AuditBaselines = {
    async last() {
      const stored = await store.get(baselineKey);
      if (stored === null) return null;
      try {
        const text = (await unpack(Buffer.from(stored, 'base64'))).toString('utf8');
        const { nodes, ...head } = StoredBaseline.parse(JSON.parse(text));
        return { ...head, nodes: new Map(nodes.map((node) => [node.node, node])) };
      } catch {
        // Written by another version: without a comparison is better than not at all.
        return null;
      }
    },
    keep(baseline) {
      pending = baseline;
      return Promise.resolve();
    },
  };

  return {
    baselines,
    async state(): Promise<ScheduleState | null> {
      const stored = await store.get(stateKey);
      const read = ScheduleState.safeParse(stored === null ? undefined : parsed(stored));
      return read.success ? read.data : null;
    },
    /** Keeps the state, and what the audit of this firing has found. */
    async keep(state: ScheduleState): Promise<void> {
      if (pending !== undefined) await store.set(baselineKey, await stored(pending), { ttlMs: keepMs });
      await store.set(stateKey, JSON.stringify(state), { ttlMs: keepMs });
    },
  };
}

async function stored(baseline: AuditBaseline): Promise<string> {
  const { nodes, ...head } = baseline;
  const whole = await packed({ ...head, nodes: [...nodes.values()] });
  if (whole.length <= maxBaselineBytes) return whole;
  return packed({ ...head, nodes: [...nodes.values()].map(({ counters: _counters, ...node }) => node) });
}

async function packed(value: unknown): Promise<string> {
  return (await pack(Buffer.from(JSON.stringify(value)))).toString('base64');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
