import { createAccessCheck } from '../check-access.ts';
import { firingsAfter } from '../cron.ts';
import { NetcheckError } from '../model/errors.ts';
import { type Schedule, schedulesOf } from '../schedules.ts';
import type { Wiring } from '../wiring.ts';
import type { Check } from './doctor.ts';

/** Whether each schedule can be planned and is allowed, and when it is due next. Groups are no matter: schedules are in none. */
export async function checkSchedules(wiring: Wiring): Promise<readonly Check[]> {
  const { config } = wiring.loaded;
  return Promise.all(schedulesOf(config).map((schedule) => checkSchedule(schedule, wiring)));
}

async function checkSchedule(schedule: Schedule, wiring: Wiring): Promise<Check> {
  const { name, what, channel, language, cron, timeZone } = schedule;
  const check = `schedule ${name}`;
  try {
    const plan =
      what.kind === 'ask'
        ? await wiring.plan(what.text)
        : {
            playbooks: [what.playbook],
            nodes: (await wiring.planAudit(what, language)).plan.jobs.map(({ node, labels }) => ({
              node: { name: node, labels },
            })),
          };
    const action = what.kind;
    const access = createAccessCheck(wiring.loaded.config.access, undefined);
    const refusal = await access.refuse({ user: `schedule:${name}`, channel, action, plan }, 'en');
    if (refusal !== undefined)
      return {
        what: check,
        state: 'failed',
        detail: 'no grant of "access" covers it',
        todo: `add { users: ["schedule:${name}"], channels: [${channel}] } to access`,
      };
    const [dueMs] = firingsAfter(cron, timeZone, Date.now(), 1);
    const due = dueMs === undefined ? 'never' : new Date(dueMs).toISOString().replace(/:\d\d\.\d+Z$/u, 'Z');
    return { what: check, state: 'ok', detail: `${plan.nodes.length} nodes, next at ${due}`, todo: '' };
  } catch (error) {
    if (error instanceof NetcheckError)
      return { what: check, state: 'failed', detail: error.message, todo: error.hint };
    throw error;
  }
}
