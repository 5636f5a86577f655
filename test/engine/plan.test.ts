import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseAsk } from '../../src/engine/ask.ts';
import type { Inventory } from '../../src/engine/inventory.ts';
import { closestNames } from '../../src/engine/inventory.ts';
import { makePlan, type PlanOptions } from '../../src/engine/plan.ts';
import { collectors } from '../../src/collectors/index.ts';
import { rules } from '../../src/rules/index.ts';
import { joinPlaybooks } from '../../src/engine/join-playbooks.ts';
import { choosePlaybooks, lintPlaybook } from '../../src/engine/playbook-set.ts';
import type { Collector } from '../../src/model/command.ts';
import { NetcheckError } from '../../src/model/errors.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget } from '../../src/model/plan.ts';
import { Playbook } from '../../src/model/playbook.ts';
import type { AnyRule } from '../../src/model/rule.ts';

const nodes = [
  { name: 'node-12', address: '10.0.0.12' },
  { name: 'node-50', address: '10.0.0.50', target: '10.51.2.2', serves: ['10.51.9.9'] },
  { name: 'node-51', address: '10.0.0.51' },
  { name: 'r1', address: '10.0.0.1' },
].map((node) => InventoryNode.parse(node));

function inventory(externalAllowed = false): Inventory {
  return {
    externalAllowed,
    names: () => nodes.map(({ name }) => name),
    find: async (name) => nodes.find((node) => node.name === name) ?? null,
    ownerOf: async (address) =>
      nodes.find((node) => node.address === address || node.target === address || node.serves.includes(address)) ??
      null,
  };
}

const collector = (id: string, provides: Collector['provides'], params: z.ZodType = z.strictObject({})): Collector => ({
  id,
  purpose: '',
  params,
  when: 'once',
  provides,
  commands: () => [],
});
const rule = (id: string, needs: readonly string[]) =>
  ({
    id,
    fault: 'F00',
    scope: 'node',
    roles: ['target'],
    needs,
    optional: [],
    params: z.strictObject({ minSyns: z.number().optional() }),
    text: { en: { title: id }, zh: { title: id } },
    sources: [],
    evaluate: () => ({ verdict: 'ruledOut', because: [], remedies: [] }),
  }) as unknown as AnyRule;

const portCheck = Playbook.parse({
  id: 'port-check',
  title: { en: 'Port', zh: '端口' },
  collect: [
    { on: ['target', 'client'], use: 'capture' },
    { on: ['target'], use: 'counters' },
  ],
  rules: [{ use: 'tw-recycle' }],
});
const dnsSlow = Playbook.parse({ ...portCheck, id: 'dns-slow', words: { en: ['dns slow', '5 s'], zh: ['解析慢'] } });
const registries = {
  collectors: new Map(
    [collector('capture', ['capture']), collector('counters', ['counters'])].map((one) => [one.id, one]),
  ),
  rules: new Map([rule('tw-recycle', ['counters'])].map((one) => [one.id, one])),
  playbooks: new Map([portCheck, dnsSlow].map((one) => [one.id, one])),
};
const options: PlanOptions = { probeFrom: [], budget: Budget.parse({}) };
const plan = (text: string, more: Partial<PlanOptions> = {}, external = false) =>
  makePlan(parseAsk(text), inventory(external), registries, { ...options, ...more });
const roles = async (text: string, more: Partial<PlanOptions> = {}) =>
  Object.fromEntries((await plan(text, more)).nodes.map(({ node, roles: held }) => [node.name, held.join('+')]));

async function refusal(promise: Promise<unknown>): Promise<NetcheckError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof NetcheckError) return error;
  throw new Error('it was not refused', { cause: error });
}

describe('a plan', () => {
  it('puts the nodes of the question into their roles', async () => {
    expect(await roles('node-50 port 1301 from node-12 via r1')).toEqual({
      'node-50': 'target',
      r1: 'forwarder',
      'node-12': 'client',
    });
  });

  it('says what the question did not say and was chosen', async () => {
    expect((await plan('node-50 port 1301')).assumed).toEqual([
      { what: 'from', node: 'node-12', others: ['node-51', 'r1'] },
    ]);
    expect((await plan('node-50 port 1301 from r1')).assumed).toBeUndefined();
    expect((await plan('node-50 port 1301', { probeFrom: ['r1'] })).assumed).toBeUndefined();
    expect((await plan('node-12 cannot reach node-50 port 1301 from r1')).assumed).toEqual([
      { what: 'words', node: 'node-12', others: ['node-50'] },
    ]);
    const both = nodes.filter(({ name }) => name.startsWith('node-5'));
    const shared: Inventory = { ...inventory(), ownerOf: async () => both[0] ?? null, ownersOf: async () => both };
    const planned = (text: string) => makePlan(parseAsk(text), shared, registries, options);
    expect((await planned('10.9.9.9 port 80 from r1')).assumed).toEqual([
      { what: 'owner', node: 'node-50', others: ['node-51'] },
    ]);
    const named = await planned('10.9.9.9 on node-51 port 80 from r1');
    expect(named.assumed).toBeUndefined();
    expect(named).toMatchObject({ targetAddress: '10.9.9.9', nodes: [{ node: { name: 'node-51' } }, {}] });
    expect((await refusal(planned('10.9.9.9 on node-5 port 80'))).hint).toContain('node-50');
    expect((await refusal(planned('127.0.0.1 on node-51 port 80'))).code).toBe('ask/external-address');
  });

  it('asks about a network namespace: it is a place of its own, and its node forwards', async () => {
    const namespaceOn: NonNullable<PlanOptions['namespaceOn']> = (node, netns) =>
      Promise.resolve({ address: netns === 'host' ? (node.target ?? '') : '10.244.1.5', isOwn: netns === 'host' });
    const planned = await plan('node-50 netns web port 1301 from node-12 netns 77', { namespaceOn });
    expect(planned.targetAddress).toBe('10.244.1.5');
    expect(planned.nodes.map(({ node, netns, roles: held }) => [node.name, netns, held])).toEqual([
      ['node-50@web', 'web', ['target']],
      ['node-50', undefined, ['forwarder']],
      ['node-12@77', '77', ['client']],
      ['node-12', undefined, ['forwarder']],
    ]);
    // Only a place with a namespace has to find it first.
    expect(planned.steps.filter(({ collector: id }) => id === 'netns')).toEqual([
      { node: 'node-50@web', collector: 'netns', params: { name: 'web' } },
      { node: 'node-12@77', collector: 'netns', params: { name: '77' } },
    ]);
    // hostNetwork: the namespace of the node itself is the node.
    expect(await roles('node-50 netns host port 1301 from node-12', { namespaceOn })).toEqual({
      'node-50': 'target',
      'node-12': 'client',
    });
    expect((await refusal(plan('node-50 netns web port 1301'))).code).toBe('ask/no-namespace');
  });

  it('diagnoses the target address that the inventory names, not the one SSH connects to', async () => {
    const { targetAddress, nodes: planned } = await plan('node-50 port 1301 from node-12');
    expect(targetAddress).toBe('10.51.2.2');
    expect(planned.find(({ node }) => node.name === 'node-50')?.node.address).toBe('10.0.0.50');
  });

  it.each(['10.51.2.2', '10.51.9.9', '10.0.0.50'])('finds the node that owns %s', async (address) => {
    const found = await plan(`${address} port 1301 from node-12`);
    expect(found.nodes[0]?.node.name).toBe('node-50');
    expect(found.targetAddress).toBe(address);
  });

  it('probes from defaults.probeFrom where the question names nobody', async () => {
    expect(await roles('node-50 port 1301', { probeFrom: ['node-51', 'node-50'] })).toEqual({
      'node-50': 'target',
      'node-51': 'client',
    });
  });

  it('probes from the first other node where nothing names one, and says why it is there', async () => {
    const { nodes: planned } = await plan('node-50 port 1301');
    expect(planned.find(({ roles: held }) => held.includes('client'))).toMatchObject({
      node: { name: 'node-12' },
      why: expect.stringContaining('no "from"') as string,
    });
  });

  it('refuses a node that it does not know, with the closest names', async () => {
    const error = await refusal(plan('nod-50 port 1301'));
    expect(error).toMatchObject({ code: 'ask/unknown-node', message: expect.stringContaining('nod-50') as string });
    expect(error.hint).toContain('node-50');
  });

  it('refuses an address that no node owns, unless the configuration allows it', async () => {
    expect((await refusal(plan('192.0.2.1 port 80 from node-12'))).code).toBe('ask/external-address');
    expect((await plan('192.0.2.1 port 80 from node-12', {}, true)).targetAddress).toBe('192.0.2.1');
    expect((await plan('node-50 port 80 from 192.0.2.1', {}, true)).externalClients).toEqual(['192.0.2.1']);
  });

  it('refuses a node that would talk to itself, a Kubernetes object and an unknown playbook', async () => {
    expect((await refusal(plan('node-50 port 80 from node-50'))).code).toBe('ask/same-node');
    expect((await refusal(plan('pod shop/cart port 80'))).code).toBe('ask/no-kubernetes');
    expect((await refusal(plan('node-50 port 80 playbook nope'))).hint).toContain('dns-slow');
  });

  it('gives every node its collectors, after the first look', async () => {
    const { steps } = await plan('node-50 port 1301 from node-12');
    const of = (name: string) => steps.filter(({ node }) => node === name).map(({ collector: id }) => id);
    expect(of('node-50')).toEqual(['look', 'kernel', 'clock', 'capture', 'counters']);
    expect(of('node-12')).toEqual(['look', 'kernel', 'clock', 'capture']);
  });

  it('stretches the window to what was asked', async () => {
    expect((await plan('node-50 port 1301 for 30s')).budget).toMatchObject({ windowMs: 30_000, wallMs: 60_000 });
  });
});

describe('choosing a playbook', () => {
  const chosen = (text: string) => {
    const [first, ...more] = choosePlaybooks(parseAsk(text), registries.playbooks);
    expect(more).toEqual([]);
    return first;
  };
  it('takes the default, the one whose words stand there, or the one that was named', () => {
    expect(chosen('node-50 port 53')?.playbook.id).toBe('port-check');
    expect(chosen('node-50 port 53 dns slow today')).toMatchObject({
      playbook: { id: 'dns-slow' },
      by: 'word',
      word: 'dns slow',
    });
    expect(chosen('node-50 port 53 域名解析慢')).toMatchObject({ playbook: { id: 'dns-slow' }, word: '解析慢' });
    expect(chosen('node-50 port 53 dns slow playbook port-check')?.playbook.id).toBe('port-check');
  });
  it('does not take a part of a word for the word', () => {
    expect(chosen('node-50 port 53 took 15 s')?.playbook.id).toBe('port-check');
  });
});

describe('playbooks that are for a port, or for what the first look shows', () => {
  const step = (use: string, on: readonly string[] = ['target', 'client'], params: object = {}) => ({
    on,
    use,
    with: params,
  });
  const made = (id: string, values: object) =>
    Playbook.parse({
      id,
      title: { en: id, zh: id },
      collect: [step('capture')],
      rules: [{ use: 'tw-recycle' }],
      ...values,
    });
  const forDns = made('for-dns', { when: { ports: [53], protocol: 'udp' }, collect: [step('counters', ['target'])] });
  const alsoDns = made('also-dns', {
    when: { ports: [53] },
    collect: [step('counters', ['target']), step('kernel-log')],
  });
  const service = made('service', {
    when: { seen: ['service'] },
    collect: [
      step('capture'),
      step('counters', ['target', 'client']),
      step('tcp-probe', ['client']),
      step('target-name', ['client']),
    ],
    rules: [{ use: 'tw-recycle' }, { use: 'no-endpoints' }],
  });
  const otherCapture = made('other-capture', {
    when: { seen: ['service'] },
    collect: [step('capture', ['target'], { filter: 'dns' })],
  });
  const tunnel = made('tunnel', { when: { seen: ['tunnel'], protocol: 'tcp' }, rules: [{ use: 'mtu-too-small' }] });
  const known = {
    ...registries,
    collectors: new Map(
      [
        { ...collector('capture', ['capture']), when: 'capture' as const },
        collector('counters', ['counters']),
        { ...collector('tcp-probe', ['probes']), when: 'probe' as const },
        { ...collector('target-name', ['nameLookups']), when: 'probe' as const },
      ].map((one) => [one.id, one]),
    ),
    playbooks: new Map(
      [portCheck, dnsSlow, forDns, alsoDns, service, otherCapture, tunnel].map((one) => [one.id, one]),
    ),
  };
  const planned = (text: string) => makePlan(parseAsk(text), inventory(false), known, options);

  it('the port and protocol choose where no word does: all that are for them, each step and rule once', async () => {
    const dns = await planned('node-50 port 53 udp from node-12');
    expect(dns.playbooks).toEqual(['for-dns', 'also-dns']);
    expect(dns.choice).toEqual([
      { playbook: 'for-dns', by: 'question' },
      { playbook: 'also-dns', by: 'question' },
    ]);
    expect(dns.rules).toEqual([{ rule: 'tw-recycle', params: {} }]);
    expect(dns.steps.filter(({ collector: id }) => id === 'counters')).toHaveLength(1);
    expect((await planned('node-50 port 53 from node-12')).playbooks).toEqual(['also-dns']);
    expect((await planned('node-50 port 53 udp from node-12 dns slow')).choice).toEqual([
      { playbook: 'dns-slow', by: 'word', word: 'dns slow' },
    ]);
    expect((await planned('node-50 port 54 udp from node-12')).choice).toEqual([
      { playbook: 'port-check', by: 'default' },
    ]);
  });

  it('what may join is in the plan: what it adds, without captures and connects of its own', async () => {
    const { mayJoin } = await planned('node-50 port 1301 from node-12');
    expect(mayJoin).toMatchObject([
      {
        playbook: 'service',
        seen: ['service'],
        steps: [
          { node: 'node-12', collector: 'counters', params: {} },
          // no connect: the look-up that a rule of it needs
          { node: 'node-12', collector: 'target-name', params: {} },
        ],
        rules: [{ rule: 'no-endpoints', params: {} }],
      },
      { playbook: 'tunnel', seen: ['tunnel'], steps: [], rules: [{ rule: 'mtu-too-small', params: {} }] },
    ]);
    expect((await planned('node-50 port 1301 udp from node-12')).mayJoin.map(({ playbook }) => playbook)).toEqual([
      'service',
    ]);
  });

  it('nothing joins a playbook that was named', async () => {
    const named = await planned('node-50 port 53 udp from node-12 playbook port-check');
    expect(named.choice).toEqual([{ playbook: 'port-check', by: 'named' }]);
    expect(named.mayJoin).toEqual([]);
  });

  it('joins as soon as it is seen, once, and says why', async () => {
    const before = await planned('node-50 port 1301 from node-12');
    expect(joinPlaybooks(before, [])).toBe(before);
    const after = joinPlaybooks(before, ['service']);
    expect(after.playbooks).toEqual(['port-check', 'service']);
    expect(after.choice.at(-1)).toEqual({ playbook: 'service', by: 'service' });
    expect(after.mayJoin.map(({ playbook }) => playbook)).toEqual(['tunnel']);
    expect(after.rules.map(({ rule: id }) => id)).toEqual(['tw-recycle', 'no-endpoints']);
    expect(after.steps.slice(before.steps.length).map(({ collector: id }) => id)).toEqual(['counters', 'target-name']);
    expect(joinPlaybooks(after, ['service'])).toBe(after);
  });

  it('when must say something', () => {
    expect(Playbook.safeParse({ ...portCheck, when: {} }).success).toBe(false);
    expect(Playbook.safeParse({ ...portCheck, when: { seen: ['weather'] } }).success).toBe(false);
    expect(Playbook.safeParse({ ...portCheck, when: { ports: [0] } }).success).toBe(false);
  });
});

describe('playbook lint', () => {
  it('passes a playbook that collects what its rules need', () => {
    expect(lintPlaybook(portCheck, registries)).toEqual([]);
  });
  it.each([
    [
      'a fact that nobody collects where it is judged',
      { collect: [{ on: ['client'], use: 'counters', with: {} }] },
      'rules[0] (tw-recycle): it needs counters on the target',
    ],
    [
      'an unknown collector',
      { collect: [{ on: ['target'], use: 'conters', with: {} }] },
      'collect[0]: there is no collector "conters"',
    ],
    ['an unknown rule', { rules: [{ use: 'tw-recyle', with: {} }] }, 'rules[0]: there is no rule "tw-recyle"'],
    [
      'a parameter that does not parse',
      { rules: [{ use: 'tw-recycle', with: { minSyns: 'three' } }] },
      'rules[0] (tw-recycle): minSyns',
    ],
    [
      'a parameter that does not exist',
      { collect: [{ on: ['target'], use: 'counters', with: { every: 1 } }] },
      'collect[0] (counters): Unrecognized key: "every"',
    ],
  ])('finds %s', (_what, change, expected) => {
    expect(lintPlaybook({ ...portCheck, ...(change as Partial<Playbook>) }, registries).join('\n')).toContain(expected);
  });
  it('wants what the rows of an expect table read on every node that the table is held against', () => {
    const row = { fact: 'sysctl:net.ipv4.ip_forward', op: 'eq', value: 1, why: 'w', remedy: 'r' };
    const real = { collectors, rules };
    const table = { use: 'expect', with: { table: [row, { ...row, fact: 'mtu:eth0', value: 1500 }] } };
    const sysctl = (on: Playbook['collect'][number]['on']) => ({
      on,
      use: 'sysctl',
      with: { keys: ['net.ipv4.ip_forward'] },
    });
    const links = {
      on: ['target', 'client', 'forwarder'] as Playbook['collect'][number]['on'],
      use: 'links',
      with: {},
    };
    expect(lintPlaybook({ ...portCheck, collect: [sysctl(['target']), links], rules: [table] }, real)).toEqual([
      'rules[0] (expect): it needs sysctl on the client, and no collector of this playbook gives it there',
      'rules[0] (expect): it needs sysctl on the forwarder, and no collector of this playbook gives it there',
    ]);
    const everywhere = sysctl(['target', 'client', 'forwarder']);
    expect(lintPlaybook({ ...portCheck, collect: [everywhere, links], rules: [table] }, real)).toEqual([]);
  });
});

describe('closest names', () => {
  it.each([
    ['nod-50', ['node-50', 'node-51']],
    ['node-05', ['node-50', 'node-12', 'node-51']],
    ['database', []],
  ])('of %s are %j', (asked, expected) => {
    expect(closestNames(asked, ['node-12', 'node-50', 'node-51', 'r1'])).toEqual(expected);
  });
});

describe('addresses in a plan', () => {
  const named = InventoryNode.parse({ name: 'db', address: 'db.internal' });
  const withNames = (lookup?: PlanOptions['lookup']) =>
    makePlan(
      parseAsk('db port 1301 from node-12'),
      {
        ...inventory(),
        find: async (name) => (name === 'db' ? named : (nodes.find((one) => one.name === name) ?? null)),
      },
      registries,
      { ...options, ...(lookup === undefined ? {} : { lookup }) },
    );

  it('looks the host name of a node up once: filters, probes and route look-ups take addresses', async () => {
    const made = await withNames(async () => ['10.0.0.77', '10.0.0.78']);
    expect(made.targetAddress).toBe('10.0.0.77');
    expect(made.nodes[0]?.address).toBe('10.0.0.77');
  });
  it.each([
    ['has no address', async () => Promise.reject(new Error('ENOTFOUND'))],
    ['means this machine', async () => ['127.0.1.1']],
  ])('refuses a target whose host name %s', async (_why, lookup) => {
    expect(await refusal(withNames(lookup))).toMatchObject({
      code: 'ask/bad-name',
      hint: expect.stringContaining('"target"'),
    });
  });
  it('spells an IPv6 address in one way and takes the IPv4 address out of a mapped one', async () => {
    expect((await plan('[FD00:0:0::0A] port 80', {}, true)).targetAddress).toBe('fd00::a');
    expect((await plan('::ffff:10.0.0.50 port 80')).targetAddress).toBe('10.0.0.50');
  });
  it('refuses an address that is on every node', async () => {
    expect((await refusal(plan('127.0.0.1 port 80', {}, true))).code).toBe('ask/external-address');
  });
  it('refuses a forwarder that nobody can log in to, instead of leaving it out in silence', async () => {
    expect((await refusal(plan('node-50 port 80 via 192.0.2.9', {}, true))).code).toBe('ask/external-address');
  });
});
