import { type JudgeRegistries, judge } from './engine/judge.ts';
import { evidenceFile } from './engine/node-session.ts';
import type { Evidence, Phase } from './model/evidence.ts';
import { InventoryNode } from './model/inventory.ts';
import type { Language } from './model/language.ts';
import { Budget, Plan, type Role } from './model/plan.ts';
import type { Report } from './model/report.ts';
import { runFormat } from './model/run-record.ts';
import { Symptom } from './model/symptom.ts';

/** One recorded output that takes the place of a command's. */
export interface RecordedOutput {
  readonly node: string;
  readonly collector: string;
  readonly kind: string;
  readonly phase: Phase;
  readonly stdout: Uint8Array;
  readonly stderr?: string;
  readonly argv?: readonly string[];
  /** Exit status; default 0. */
  readonly status?: number;
}

/** Outputs that were recorded without netcheck, as if netcheck had asked for them. */
export interface RecordedCase {
  readonly target: { readonly name: string; readonly address: string };
  readonly others?: readonly { readonly name: string; readonly address: string; readonly role: Role }[];
  readonly port: number;
  readonly rules: readonly { readonly rule: string; readonly params?: Readonly<Record<string, unknown>> }[];
  readonly outputs: readonly RecordedOutput[];
  readonly language?: Language;
  readonly remedyNotes?: Plan['remedyNotes'];
}

const at = Date.UTC(2026, 10, 21, 2, 41, 0);

/** The judge of a run, on recorded outputs: for golden cases, and for the cases that plug-ins bring with them. */
export function judgeRecorded(
  { target, others = [], port, rules, outputs, language = 'en', remedyNotes }: RecordedCase,
  registries: JudgeRegistries,
): Report {
  const node = (name: string, address: string, role: Role) => ({
    node: InventoryNode.parse({ name, address }),
    roles: [role],
    address,
    why: 'recorded',
  });
  const plan = Plan.parse({
    symptom: Symptom.parse({
      text: `${target.name} port ${port}`,
      target: { kind: 'node', node: target.name },
      port,
    }),
    playbooks: ['port-check'],
    targetAddress: target.address,
    externalClients: [],
    nodes: [node(target.name, target.address, 'target'), ...others.map((one) => node(one.name, one.address, one.role))],
    steps: [],
    rules: rules.map(({ rule, params = {} }) => ({ rule, params })),
    ...(remedyNotes === undefined ? {} : { remedyNotes }),
    budget: Budget.parse({}),
  });
  const evidence = outputs.map((one, index): Evidence => {
    const { stdout } = one;
    const stderr = Buffer.from(one.stderr ?? '');
    const id = `${String(index + 1).padStart(2, '0')}-${one.collector}`;
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
      exit: { how: 'exited' as const, code: one.status ?? 0 },
      ...(stdout.length > 0 ? { out: evidenceFile(one.node, id, one.kind) } : {}),
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
  return judge(record, evidence, registries);
}
