import { readFileSync } from 'node:fs';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import { evidenceFile } from '../../src/engine/node-session.ts';
import type { Evidence, Phase } from '../../src/model/evidence.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget, Plan, type Role } from '../../src/model/plan.ts';
import type { Report } from '../../src/model/report.ts';
import { runFormat } from '../../src/model/run-record.ts';
import { Symptom } from '../../src/model/symptom.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';

/** One recorded output that takes the place of a command's. */
export interface Recorded {
  readonly node: string;
  readonly collector: string;
  readonly kind: string;
  readonly phase: Phase;
  /** File, or the bytes themselves. */
  readonly from: string | Uint8Array;
  readonly argv?: readonly string[];
  readonly stderr?: string;
}

export interface RecordedRun {
  readonly target: { readonly name: string; readonly address: string };
  readonly others?: readonly { readonly name: string; readonly address: string; readonly role: Role }[];
  readonly port: number;
  readonly rules: readonly string[];
  readonly recorded: readonly Recorded[];
  readonly language?: 'en' | 'zh';
}

const at = Date.UTC(2026, 10, 21, 2, 41, 0);

/** Recordings that were made without netcheck, judged as if netcheck had made them. */
export function judgeRecorded({
  target,
  others = [],
  port,
  rules: chosen,
  recorded,
  language = 'en',
}: RecordedRun): Report {
  const symptom = Symptom.parse({
    text: `${target.name} port ${port}`,
    target: { kind: 'node', node: target.name },
    port,
  });
  const node = (name: string, address: string, role: Role) => ({
    node: InventoryNode.parse({ name, address }),
    roles: [role],
    address,
    why: 'recorded',
  });
  const plan = Plan.parse({
    symptom,
    playbooks: ['port-check'],
    targetAddress: target.address,
    externalClients: [],
    nodes: [node(target.name, target.address, 'target'), ...others.map((one) => node(one.name, one.address, one.role))],
    steps: [],
    rules: chosen.map((rule) => ({ rule, params: {} })),
    budget: Budget.parse({}),
  });
  const evidence = recorded.map((one, index): Evidence => {
    const stdout = typeof one.from === 'string' ? readFileSync(one.from) : one.from;
    const stderr = Buffer.from(one.stderr ?? '');
    const id = `${String(index + 1).padStart(2, '0')}-${one.collector}`;
    const out = stdout.length > 0 ? { out: evidenceFile(one.node, id, one.kind) } : {};
    const entry = {
      id,
      node: one.node,
      collector: one.collector,
      phase: one.phase,
      kind: one.kind,
      argv: [...(one.argv ?? [])],
      privilege: 'none' as const,
      startedAtMs: at,
      endedAtMs: at,
      exit: { how: 'exited' as const, code: 0 },
      ...out,
      outBytes: stdout.length,
      errBytes: stderr.length,
    };
    return { entry, stdout, stderr };
  });
  const record = {
    format: runFormat,
    id: 'recorded',
    netcheck: '0.0.0',
    language,
    startedAtMs: at,
    endedAtMs: at + 1000,
    plan,
    clockOffsetsMs: {},
    ended: 'complete',
  } as const;
  return judge(record, evidence, { collectors, parsers, rules });
}
