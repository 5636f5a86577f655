import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createAccessCheck } from '../src/check-access.ts';
import { loadConfig } from '../src/config.ts';
import type { AnswerThread } from '../src/engine/ports.ts';
import { handleRun } from '../src/handle-run.ts';
import { AuditRecord } from '../src/model/audit-log-record.ts';
import { wire } from '../src/wiring.ts';
import { sampleRequest } from './adapters/slack/sample-run.ts';
import { memoryHistory } from './fakes/memory-history.ts';

it('a run whose directory cannot be made says so in its thread, and is in the audit log', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-handle-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const data = path.join(folder, '.netcheck');
  mkdirSync(data);
  writeFileSync(path.join(data, 'runs'), 'in the way');
  const config = path.join(folder, 'netcheck.yaml');
  writeFileSync(config, 'nodes: { node-50: { address: 127.0.0.1 } }');
  const wiring = await wire(loadConfig(config));
  onTestFinished(() => wiring.close());
  const failures: string[] = [];
  const thread: AnswerThread = {
    progress: () => undefined,
    report: () => Promise.reject(new Error('there is nothing to report')),
    failed: async ({ message }) => void failures.push(message),
  };
  const history = memoryHistory();
  const request = { ...sampleRequest({ channel: 'C1', rootTs: '1', statusTs: '1' }), text: 'node-50 port 1301' };
  await handleRun(
    request,
    { signal: new AbortController().signal, attempt: 1 },
    {
      thread,
      wiring,
      slots: { acquire: () => Promise.reject(new Error('no node is to be asked')) },
      memory: { history, patientHistory: history },
      access: createAccessCheck(undefined, undefined),
    },
  );
  expect(failures).toEqual([expect.stringContaining('cannot be saved')]);
  const [line, ...more] = readFileSync(path.join(data, 'audit.ndjson'), 'utf8').trim().split('\n');
  expect(more).toEqual([]);
  expect(AuditRecord.parse(JSON.parse(line ?? ''))).toMatchObject({
    event: 'ended',
    run: request.id,
    verdict: 'failed',
  });
});
