import { describe, expect, it } from 'vitest';
import { createAccessCheck } from '../src/check-access.ts';
import { parseConfig } from '../src/config.ts';
import type { RunRequest } from '../src/engine/ports.ts';
import { createJudge } from '../src/judge-ask.ts';
import type { AuditRecord } from '../src/model/audit-log-record.ts';
import { NetcheckError } from '../src/model/errors.ts';
import type { Plan } from '../src/model/plan.ts';

const yaml = `
nodes:
  node-50: { address: 10.0.0.50, labels: { rack: r1 } }
  node-51: { address: 10.0.0.51 }
  web-1: { address: 10.0.0.60 }
access:
  - { users: [U0ANNA], nodes: [web-*, node-51] }
  - { groups: ["@sre"], channels: [C0NET] }
`;

function judge(text = yaml) {
  const config = parseConfig(text, 'netcheck.yaml');
  const log: AuditRecord[] = [];
  let planned = 0;
  const access = createAccessCheck(config.access, {
    isIn: async (_group, user) => (user === 'U0BEN' ? 'yes' : 'no'),
    groupHandle: async () => 'sre',
    channelName: async () => 'net',
  });
  const made = createJudge(
    {
      loaded: { config, file: 'netcheck.yaml', directory: '/' },
      writeLog: async (record) => void log.push(record),
      async plan(ask) {
        planned += 1;
        const name = ask.split(' ', 1)[0] ?? '';
        const node = config.nodes[name];
        if (node === undefined)
          throw new NetcheckError('ask/unknown-node', `There is no node "${name}".`, 'Did you mean node-50, node-51?');
        return {
          nodes: [{ node: { name, ...node }, roles: ['target'] }],
          playbooks: ['port-check'],
          symptom: { port: 1301, protocol: 'tcp' },
          externalClients: [],
        } as unknown as Plan;
      },
    },
    access,
  );
  return { ...made, log, planned: () => planned };
}
const who = (user: string, channel = 'C0NET') => ({ user, channel, language: 'en' as const });
const run = { id: 'r1', text: 'node-50 port 1301', language: 'en' } as RunRequest;

describe('judging what people want', () => {
  it('refuses a stranger before anything is planned: an error of planning names nodes', async () => {
    const { ask, planned, log } = judge();
    const answer = await ask('node-5 port 1301', who('U0EVE'));
    expect(answer).toMatchObject({ ok: false, hint: expect.stringContaining('@sre in #net may') as string });
    expect(JSON.stringify(answer)).not.toContain('node-5');
    expect(planned()).toBe(0);
    expect(log).toEqual([
      expect.objectContaining({
        event: 'refused',
        askedBy: 'U0EVE',
        channel: 'C0NET',
        action: 'ask',
        text: 'node-5 port 1301',
      }),
    ]);
  });

  it('refuses nodes that a grant does not cover, and lets those through that it does', async () => {
    const { ask, log } = judge();
    expect(await ask('node-50 port 1301', who('U0ANNA'))).toMatchObject({ ok: false });
    expect(await ask('node-51 port 1301', who('U0ANNA'))).toMatchObject({ ok: true });
    expect(await ask('node-50 port 1301', who('U0BEN'))).toMatchObject({ ok: true });
    expect(log.map(({ event }) => event)).toEqual(['refused']);
  });

  it('proposes only nodes that the person may know', async () => {
    const hint = async (text: string, user: string) => {
      const answer = await judge().ask(text, who(user));
      return answer.ok ? '' : answer.hint;
    };
    expect(await hint('node-5 port 1', 'U0ANNA')).toBe('Did you mean node-51?');
    expect(await hint('node-5 port 1', 'U0BEN')).toBe('Did you mean node-50, node-51?');
    expect(await hint('zebra port 1', 'U0ANNA')).toBe('The people who run netcheck know which nodes there are.');
  });

  it('without access everybody may, and planning errors come as they are', async () => {
    const { ask, log } = judge(yaml.replace(/access:[\s\S]*/, ''));
    expect(await ask('node-50 port 1', who('U0EVE'))).toMatchObject({ ok: true });
    expect(await ask('zebra port 1', who('U0EVE'))).toMatchObject({
      ok: false,
      hint: 'Did you mean node-50, node-51?',
    });
    expect(log).toEqual([]);
  });

  it('wants somebody else where others have had their say, and writes the refusal down', async () => {
    const { mayAct, log } = judge(`${yaml}  - { users: [U0ANNA, U0BEN], actions: [approve] }\n`);
    const by = (user: string) => mayAct('approve', { user, channel: 'C0NET', run, others: ['U0ANNA'] });
    expect(await by('U0ANNA')).toMatchObject({ ok: false, message: expect.stringContaining('two people') as string });
    expect(await by('U0BEN')).toEqual({ ok: true });
    expect(log).toMatchObject([
      { event: 'refused', askedBy: 'U0ANNA', action: 'approve', run: 'r1' },
      { event: 'pressed', askedBy: 'U0BEN', action: 'approve', run: 'r1' },
    ]);
  });

  it('writes down every press, allowed or not; a node that is gone does not keep anybody from Cancel', async () => {
    const { mayAct, log } = judge();
    expect(await mayAct('recheck', { user: 'U0ANNA', channel: 'C0NET', run })).toMatchObject({ ok: false });
    expect(await mayAct('cancel', { user: 'U0BEN', channel: 'C0NET', run: { ...run, text: 'gone port 1' } })).toEqual({
      ok: true,
    });
    expect(log).toEqual([
      expect.objectContaining({ event: 'refused', action: 'recheck', run: 'r1', askedBy: 'U0ANNA' }),
      expect.objectContaining({ event: 'pressed', action: 'cancel', run: 'r1', askedBy: 'U0BEN' }),
    ]);
  });

  it('lets look only who has a grant', async () => {
    const { mayDo } = judge();
    expect(await mayDo('look', who('U0BEN'))).toBeUndefined();
    expect(await mayDo('look', who('U0EVE'))).toBeDefined();
  });
});
