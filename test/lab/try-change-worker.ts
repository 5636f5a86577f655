import { pathToFileURL } from 'node:url';
import { createInProcessSlots } from '../../src/adapters/ssh/in-process-slots.ts';
import { createAccessCheck } from '../../src/check-access.ts';
import { loadConfig } from '../../src/config.ts';
import type { AnswerThread, RunRequest } from '../../src/engine/ports.ts';
import { handleRun } from '../../src/handle-run.ts';
import type { Trial } from '../../src/model/change.ts';
import type { Report } from '../../src/model/report.ts';
import type { RunContext } from '../../src/model/run-context.ts';
import { wire } from '../../src/wiring.ts';

/** One attempt at a run, as a worker takes it from the queue. */
export interface Attempted {
  readonly id: string;
  readonly text: string;
  readonly trial?: Trial;
  readonly attempt: number;
}

/** What the thread got, and the steps of the change as the audit log has them. */
export interface Answered {
  readonly report?: Report;
  readonly context?: RunContext | undefined;
  readonly failed?: { readonly message: string; readonly hint: string };
  readonly log: readonly string[];
}

/** What a worker does with one run, without the queue and without Slack. */
export async function answerOnce(file: string, { id, text, trial, attempt }: Attempted): Promise<Answered> {
  const wiring = await wire(loadConfig(file));
  const log: string[] = [];
  let answered: Omit<Answered, 'log'> = {};
  const thread: AnswerThread = {
    progress: () => {},
    report: async (report, _attachments, context) => void (answered = { report, context }),
    failed: async (failed) => void (answered = { failed }),
  };
  const forgetful = {
    record: async () => {},
    find: async () => null,
    recent: async () => [],
    withTrouble: async () => [],
  };
  const request: RunRequest = {
    id,
    text,
    language: 'en',
    askedBy: trial?.approvedBy ?? 'U0ANNA',
    askedAtMs: Date.now(),
    thread: { channel: 'C0NET', rootTs: '1.0', statusTs: '1.1' },
    ...(trial === undefined ? {} : { trial }),
  };
  try {
    await handleRun(
      request,
      { signal: new AbortController().signal, attempt },
      {
        thread,
        wiring: {
          ...wiring,
          writeLog: async (record) => {
            if (record.event === 'changed') log.push(record.step);
            await wiring.writeLog(record);
          },
        },
        slots: createInProcessSlots({ perNode: 2 }),
        memory: { history: forgetful, patientHistory: forgetful },
        access: createAccessCheck(wiring.loaded.config.access, undefined),
      },
    );
  } finally {
    await wiring.close();
  }
  return { ...answered, log };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await answerOnce(process.argv[2] ?? '', JSON.parse(process.argv[3] ?? '{}') as Attempted);
