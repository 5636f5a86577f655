import { describe, expect, it } from 'vitest';
import { auditHandlers } from '../src/audit-handlers.ts';
import { createAccessCheck } from '../src/check-access.ts';
import type { Grant } from '../src/config.ts';
import type { AuditRecord } from '../src/model/audit-log-record.ts';
import { auditRequest, jobOf } from './fakes/audit-nodes.ts';

const handlersWith = (access: readonly Grant[] | undefined) => {
  const log: AuditRecord[] = [];
  const handlers = auditHandlers(
    {
      baselines: { last: async () => null, keep: async () => undefined },
      writeLog: async (record) => void log.push(record),
      planAudit: async ({ id = '', selector, startedAtMs = 0 }, language) => ({
        plan: {
          head: { id, selector, startedAtMs, language, netcheck: '0', playbook: 'node-audit', compareBy: [] },
          jobs: [jobOf(id, 1), jobOf(id, 2)],
        },
        last: null,
      }),
      auditNode: () => Promise.reject(new Error('nobody is looked at here')),
    },
    { acquire: () => Promise.reject(new Error('nobody is looked at here')) },
    createAccessCheck(access, undefined),
  );
  return { handlers, log };
};

describe('an audit over workers and access', () => {
  it.each([
    ['nothing is configured', undefined],
    ['the person of the command line may', [{ users: ['cli:U0ANNA'], nodes: ['node-*'], actions: ['audit'] }]],
    ['all command lines may', [{ users: ['cli:*'] }]],
  ] as const)('is made where %s', async (_title, access) => {
    const { handlers, log } = handlersWith(access as readonly Grant[] | undefined);
    expect((await handlers.begin(auditRequest('audit-1', 2))).jobs).toHaveLength(2);
    expect(log.map(({ event }) => event)).toEqual(['started']);
  });

  it.each([
    ['somebody else', [{ users: ['cli:bert'] }]],
    ['the same name in Slack', [{ users: ['U0ANNA'] }]],
    ['other nodes', [{ users: ['cli:U0ANNA'], nodes: ['node-00001'] }]],
    ['questions', [{ users: ['cli:U0ANNA'], actions: ['ask'] }]],
  ] as const)('is refused, and that is logged, where the grant is for %s', async (_title, access) => {
    const { handlers, log } = handlersWith(access as unknown as readonly Grant[]);
    await expect(handlers.begin(auditRequest('audit-1', 2))).rejects.toMatchObject({ code: 'ask/not-allowed' });
    expect(log).toMatchObject([{ event: 'refused', run: 'audit-1', askedBy: 'cli:U0ANNA', action: 'audit' }]);
  });
});
