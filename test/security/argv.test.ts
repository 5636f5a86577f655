import path from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { diagnoseCallback, diagnoseForm } from '../../src/adapters/slack/diagnose-form.ts';
import type { FrontDesk } from '../../src/adapters/slack/run-button.ts';
import { collectors } from '../../src/collectors/index.ts';
import { questionOf } from '../../src/engine/alert-ask.ts';
import { parseAsk } from '../../src/engine/ask.ts';
import { interpret } from '../../src/engine/interpret.ts';
import type { Inventory } from '../../src/engine/inventory.ts';
import { createLearner } from '../../src/engine/learn.ts';
import { makePlan, type PlanOptions } from '../../src/engine/plan.ts';
import { AlertAsk } from '../../src/model/alert-settings.ts';
import { type Command, nothingLearned } from '../../src/model/command.ts';
import { NetcheckError } from '../../src/model/errors.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget, type Plan } from '../../src/model/plan.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';
import { expectShapes, fits, playbooks } from './expect-shapes.ts';
import { hostileWords } from './hostile.ts';

// Whatever comes in, by whatever door, the words that reach a node are those of a collector: held against the very
// expressions that the script behind sudo and the gate of the key are made of.

const nodes = ['node-12', 'node-30', 'node-50'].map((name, index) =>
  InventoryNode.parse({ name, address: `10.0.0.${index + 1}`, serves: [`10.51.2.${index + 1}`, `fd00::${index + 1}`] }),
);
const inventory: Inventory = {
  externalAllowed: true,
  names: () => nodes.map(({ name }) => name),
  find: async (name) => nodes.find((node) => node.name === name) ?? null,
  ownerOf: async (address) => nodes.find((node) => node.serves.includes(address)) ?? null,
};
const options: PlanOptions = {
  probeFrom: ['node-12'],
  budget: Budget.parse({}),
  namespaceOn: async () => ({ address: '10.244.1.7', isOwn: false }),
};

/** What becomes of a question: a plan, or a refusal that is ours. */
async function planOf(text: string): Promise<Plan | undefined> {
  try {
    return await makePlan(parseAsk(text), inventory, { playbooks, collectors, rules }, options);
  } catch (error) {
    if (error instanceof NetcheckError) return undefined;
    throw error;
  }
}

const hostile = fc.constantFrom(...hostileWords);
const plain = fc.constantFrom(
  ...'node-50 node-12 node-30 port 1301 53 from via udp size 1400 for 20s 10.51.2.3 fd00::2 8.8.8.8 netns 4711 blue pod shop/cart-1 svc nodeport 30170 playbook port-check 端口 从 on timeouts'.split(
    ' ',
  ),
);
const word = fc.oneof(
  { weight: 4, arbitrary: plain },
  { weight: 2, arbitrary: hostile },
  fc.string({ unit: 'binary', maxLength: 12 }),
);
/** A question that would be one, with something put into it. */
const question = fc.oneof(
  fc.array(word, { maxLength: 10 }).map((words) => words.join(' ')),
  fc
    .record({
      base: fc.constantFrom(
        'node-50 port 1301 from node-12',
        '10.51.2.3 port 53 udp via node-30',
        'node-50 netns blue port 80',
      ),
      at: fc.nat(6),
      put: hostile,
      glue: fc.constantFrom('', ' '),
    })
    .map(({ base, at, put, glue }) => {
      const words = base.split(' ');
      words[at % words.length] = `${words[at % words.length] ?? ''}${glue}${put}`;
      return words.join(' ');
    }),
);

describe('the words that reach a node are those of a collector', () => {
  it('whatever is asked', async () => {
    let planned = 0;
    await fc.assert(
      fc.asyncProperty(question, async (text) => {
        const plan = await planOf(text);
        if (plan !== undefined) planned += expectShapes(plan) > 0 ? 1 : 0;
      }),
      { numRuns: 300 },
    );
    // some of them are questions after all: the silence above means something
    expect(planned).toBeGreaterThan(5);
    const good = await planOf('node-50 netns blue port 1301 from node-12');
    expect(good === undefined ? 0 : expectShapes(good)).toBeGreaterThan(100);
  }, 30_000);

  it('whatever a message in Slack or an alert says', async () => {
    await fc.assert(
      fc.asyncProperty(
        question,
        question,
        fc.dictionary(fc.constantFrom('instance', 'port', 'node'), word),
        async (own, above, labels) => {
          const words = { nodeAt: () => undefined, symptoms: ['refused'] };
          const said = await interpret(own, above, { inventory, words, probeFrom: ['node-12'] });
          const texts =
            said.kind === 'question'
              ? [said.text]
              : said.kind === 'doubt'
                ? said.doubt.choices.map(({ text }) => text)
                : [];
          for (const settings of [{}, { port: { label: 'port' }, from: { label: 'node' } }])
            try {
              texts.push(questionOf({ labels }, AlertAsk.parse(settings)));
            } catch (error) {
              if (!(error instanceof NetcheckError)) throw error;
            }
          for (const text of texts) {
            const plan = await planOf(text);
            if (plan !== undefined) expectShapes(plan);
          }
        },
      ),
      { numRuns: 120 },
    );
  }, 30_000);

  it('whatever is put into the fields of the form', async () => {
    const field = fc.oneof(word, question);
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.record({ target: field, port: field, from: field, symptom: field, words: field }, { requiredKeys: [] }),
        fc.boolean(),
        async (fields, isWhole) => {
          const texts: string[] = [];
          const desk = {
            languageOf: async () => 'en',
            ask: async () => ({ ok: true }),
            start: async ({ text }: { text: string }) => void texts.push(text),
          } as unknown as FrontDesk;
          const verdict = await diagnoseForm.submit(
            {
              callbackId: diagnoseCallback,
              privateMetadata: JSON.stringify({ channel: 'C0INCIDENT' }),
              fields: isWhole ? { target: 'node-50', port: '1301', ...fields } : fields,
              viewId: 'V1',
              user: 'U0ANNA',
              team: 'T0',
            },
            desk,
          );
          if ('work' in verdict) await verdict.work();
          for (const text of texts) {
            asked += 1;
            const plan = await planOf(text);
            if (plan !== undefined) expectShapes(plan);
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(asked).toBeGreaterThan(5);
  }, 30_000);

  it.each(['ipvs-idle-reset', 'dns-search-hijack', 'firewall-drop-nft', 'etp-local', 'vxlan-fdb-missing'])(
    'whatever nodes print (%s)',
    async (name) => {
      const file = path.join(import.meta.dirname, '..', 'cases', name, 'run.tar.gz');
      const { record, evidence } = await loadRun(file);
      const { target, port, protocol } = record.plan.symptom;
      const asked = { address: record.plan.targetAddress, port, protocol, target };
      // what is learned from, and short enough to be read again and again
      const kinds = /^(?:ip-|ss$|resolv|ipvsadm$|proc-net-ip-vs$|iptables-save|nft-json|bridge-fdb|hosts)/;
      const told = evidence.filter(
        ({ entry, stdout }) => kinds.test(entry.kind) && entry.phase !== 'after' && stdout.length < 60_000,
      );
      expect(told.length).toBeGreaterThan(3);
      const lines = told.map(({ stdout }) =>
        Buffer.from(stdout)
          .toString('latin1')
          .split(/(?<=[\s"/:,=])/),
      );
      const change = fc.record({ output: fc.nat(told.length - 1), at: fc.nat(), put: hostile });
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 30 }), (changes) => {
          const words = lines.map((line) => [...line]);
          for (const { output, at, put } of changes) {
            const line = words[output];
            if (line !== undefined && line.length > 0)
              line[at % line.length] = `${put}${/\s$/.exec(line[at % line.length] ?? '')?.[0] ?? ''}`;
          }
          const now: Evidence[] = told.map((one, index) => ({
            ...one,
            stdout: Buffer.from((words[index] ?? []).join('')),
          }));
          const learned = createLearner(parsers, asked as unknown as Parameters<typeof createLearner>[1])(now);
          expectShapes(record.plan, learned);
        }),
        { numRuns: 20 },
      );
    },
    20_000,
  );

  it('whatever a playbook says: it is refused, or in shape', () => {
    for (const put of [
      ...hostileWords,
      'net.//.//.//.etc.shadow',
      'net./.x',
      'net.ipv4.conf.{device}./../x',
      'net..x',
      '.net.x',
      'net.ipv4./etc/shadow',
    ]) {
      for (const [id, params] of [
        ['sysctl', { keys: [put] }],
        ['sysctl', { keys: [`net.ipv4.${put}`] }],
        ['name-lookup', { names: [put] }],
        ['netns', { name: put }],
        ['tcp-probe', { attempts: put }],
        ['ping-sizes', { sizes: [put] }],
        ['capture', { filter: put }],
      ] as const) {
        const collector = collectors.get(id);
        const parsed = collector?.params.safeParse(params);
        if (collector === undefined || parsed === undefined || !parsed.success) continue;
        const context = {
          target: '10.0.0.1',
          port: 80,
          protocol: 'tcp' as const,
          clientAddresses: [],
          ownAddresses: [],
          roles: ['client' as const],
          targetNames: [],
          learned: nothingLearned,
          budget: Budget.parse({}),
        };
        for (const command of collector.commands(parsed.data, context))
          if (!fits(command)) throw new Error(`no shape of ours: ${JSON.stringify(command.argv)}`);
      }
    }
  });

  it('sees the difference', () => {
    const command = (argv: readonly string[]): Command => ({
      argv,
      privilege: 'none',
      timeoutMs: 1,
      maxBytes: 1,
      kind: 'x',
    });
    expect(fits(command(['ip', 'route', 'get', '10.0.0.1']))).toBe(true);
    for (const put of hostileWords.filter((one) => !/^[0-9a-f.:]+$/i.test(one) && one !== ''))
      expect([put, fits(command(['ip', 'route', 'get', put]))]).toEqual([put, false]);
  });
});
