import { NetcheckError } from '../model/errors.ts';
import type { Doubt, Draft, Interpretation, OpenPoint } from '../model/interpretation.ts';
import type { Symptom, Target } from '../model/symptom.ts';
import { unmangle } from '../model/unmangle.ts';
import { describeTarget, parseAsk, questionText } from './ask.ts';
import { closestNames, type Inventory } from './inventory.ts';
import { type KnownWords, type MessageReading, mergeReadings, questionOf, readMessage } from './read-message.ts';
import { canonicalAddress } from './settle-address.ts';

type KubernetesTarget = Extract<Target, { kind: 'kubernetes' }>;

/** What people's words are understood with. */
export interface InterpretOptions {
  readonly inventory: Inventory;
  readonly words: Omit<KnownWords, 'nodes'>;
  /** `defaults.probeFrom`: with it nobody is asked where it fails from. */
  readonly probeFrom: readonly string[];
  /** Namespaces that have a Kubernetes object of this name. Absent: there is no cluster to ask. */
  readonly namespacesOf?: ((object: KubernetesTarget) => Promise<readonly string[]>) | undefined;
  /** Questions of earlier runs, newest first: of one node, or of all. Nobody waits for it for long. */
  readonly earlier?: ((node: string | undefined) => Promise<readonly Symptom[]>) | undefined;
}

/** At most so many choices are offered. */
const maxChoices = 5;
/** What the grammar says where the words may be prose. A word that no name is like must be one of a language. */
function mayBeProse({ code, message }: NetcheckError): boolean {
  if (code === 'ask/bad-name') return /^"[\p{L}\p{M}'’]+"/u.test(message);
  return code === 'ask/empty' || code === 'ask/no-port';
}

/**
 * What somebody asks, as one question in the grammar of {@link parseAsk}; or what it leaves open; or that there is no
 * question in it. Nothing is guessed here: where two answers are possible, both are offered.
 *
 * @param own what the person wrote, without the command or mention
 * @param quoted the message that they point at, '' for none
 * @param settled points that the person has been asked about already
 */
export async function interpret(
  own: string,
  quoted: string,
  options: InterpretOptions,
  settled: readonly OpenPoint[] = [],
): Promise<Interpretation> {
  const clean = unmangle(own);
  const symptom = parsed(clean);
  if (symptom instanceof NetcheckError) {
    if (mayBeProse(symptom)) return fromProse(clean, quoted, options, settled, symptom);
    // The grammar has the better sentence for it.
    return { kind: 'question', text: clean, wasRead: false };
  }
  const prose = await proseBehind(clean, symptom, options, settled);
  if (prose !== undefined) return prose;
  const { whole, wasRead } = withQuotedSource(clean, symptom, quoted, options);
  const text = wasRead ? questionText(whole) : clean;
  const doubt = await doubtAbout(whole, text, options, settled);
  return doubt === undefined ? { kind: 'question', text, wasRead } : { kind: 'doubt', doubt, wasRead };
}

function parsed(text: string): Symptom | NetcheckError {
  try {
    return parseAsk(text);
  } catch (error) {
    if (error instanceof NetcheckError) return error;
    throw error;
  }
}

function readWith(text: string, { inventory, words }: InterpretOptions): MessageReading {
  return readMessage(text, { ...words, nodes: inventory.names() });
}

/** The words are no question by themselves: what do they, and the message that they point at, name? */
async function fromProse(
  own: string,
  quoted: string,
  options: InterpretOptions,
  settled: readonly OpenPoint[],
  why: NetcheckError,
): Promise<Interpretation> {
  const reading = mergeReadings(readWith(own, options), readWith(quoted, options));
  const [target, otherTarget] = reading.targets;
  const [port, otherPort] = reading.ports;
  const unclear: Interpretation = { kind: 'unclear', draft: draftOf(reading), why };
  const doubt = (open: OpenPoint, about: string, choices: Doubt['choices']): Interpretation =>
    choices.length === 0
      ? unclear
      : { kind: 'doubt', doubt: { open, about, choices: choices.slice(0, maxChoices) }, wasRead: true };
  if (target === undefined && port === undefined) return unclear;
  if (target === undefined) {
    // a service that is known by its port only
    const targets = new Set((await earlierOf(options)).filter((one) => one.port === port).map(targetName));
    const named = [...targets].filter((name) => !reading.from.includes(name));
    return doubt(
      'target',
      String(port),
      named.map((name) => ({ label: name, text: questionOf(reading, name, port ?? 0) })),
    );
  }
  if (otherTarget !== undefined) {
    if (port === undefined || otherPort !== undefined) return unclear;
    return doubt(
      'target',
      String(port),
      reading.targets.map((name) => ({ label: name, text: questionOf(reading, name, port) })),
    );
  }
  if (port === undefined) {
    const earlier = (await earlierOf(options, target)).filter((one) => targetName(one) === target);
    const ports = [...new Set(earlier.map((one) => one.port))];
    return doubt(
      'port',
      target,
      ports.map((one) => ({ label: String(one), text: questionOf(reading, target, one) })),
    );
  }
  if (otherPort !== undefined)
    return doubt(
      'port',
      target,
      reading.ports.map((one) => ({ label: String(one), text: questionOf(reading, target, one) })),
    );
  const text = questionOf(reading, target, port);
  const symptom = parsed(text);
  if (symptom instanceof NetcheckError) return unclear;
  const open = await doubtAbout(symptom, text, options, settled);
  return open === undefined ? { kind: 'question', text, wasRead: true } : { kind: 'doubt', doubt: open, wasRead: true };
}

function draftOf(reading: MessageReading): Draft {
  const [target] = reading.targets;
  const [port] = reading.ports;
  const [from] = reading.from;
  return {
    ...(target === undefined ? {} : { target }),
    ...(port === undefined ? {} : { port }),
    ...(from === undefined ? {} : { from }),
    ...(reading.symptom === undefined ? {} : { symptom: reading.symptom }),
  };
}

/**
 * "node-12 cannot reach node-50 port 1301" is a sentence that the grammar reads as a question about node-12: a name of
 * a node among the left-over words gives it away, or a first word that is no name of anything.
 */
async function proseBehind(
  clean: string,
  symptom: Symptom,
  options: InterpretOptions,
  settled: readonly OpenPoint[],
): Promise<Interpretation | undefined> {
  if (settled.includes('meaning') || symptom.target.kind === 'kubernetes') return undefined;
  const names = new Map(options.inventory.names().map((name) => [name.toLowerCase(), name]));
  const isStrange =
    symptom.target.kind === 'node' &&
    !names.has(symptom.target.node.toLowerCase()) &&
    namesWith(symptom.target.node, options.inventory).length === 0 &&
    // a slip of the pen: the grammar says which names are close
    closestNames(symptom.target.node, options.inventory.names()).length === 0;
  const namesMore = symptom.words.some((word) => names.has(word.toLowerCase().replace(/[.,:;!?]+$/u, '')));
  if (!isStrange && !namesMore) return undefined;
  const reading = readWith(clean, options);
  const [target, otherTarget] = reading.targets;
  const [port, otherPort] = reading.ports;
  if (target === undefined || port === undefined || otherTarget !== undefined || otherPort !== undefined)
    return undefined;
  const text = questionOf(reading, target, port);
  if (isStrange) {
    const whole = parsed(text);
    if (whole instanceof NetcheckError) return undefined;
    const open = await doubtAbout(whole, text, options, settled);
    return open === undefined
      ? { kind: 'question', text, wasRead: true }
      : { kind: 'doubt', doubt: open, wasRead: true };
  }
  if (target === targetName(symptom) && reading.from.length === symptom.from.length) return undefined;
  const literal = questionText({ ...symptom, words: [] });
  const choices = [text, literal].map((one) => ({ label: one, text: one }));
  return { kind: 'doubt', doubt: { open: 'meaning', about: clean, choices }, wasRead: false };
}

/** A question without "from" under a message that says where it fails from. */
function withQuotedSource(
  clean: string,
  symptom: Symptom,
  quoted: string,
  options: InterpretOptions,
): { readonly whole: Symptom; readonly wasRead: boolean } {
  if (symptom.from.length > 0 || quoted === '') return { whole: symptom, wasRead: false };
  const reading = readWith(quoted, options);
  const target = targetName(symptom);
  const isAboutIt = reading.targets.includes(target) && reading.from.length > 0 && !reading.from.includes(target);
  if (!isAboutIt) return { whole: symptom, wasRead: false };
  const whole = parsed(`${clean} ${reading.from.map((name) => `from ${name}`).join(' ')}`);
  return whole instanceof NetcheckError ? { whole: symptom, wasRead: false } : { whole, wasRead: true };
}

/** The first thing that a question leaves open, if any. */
async function doubtAbout(
  symptom: Symptom,
  text: string,
  options: InterpretOptions,
  settled: readonly OpenPoint[],
): Promise<Doubt | undefined> {
  const name = settled.includes('name') ? undefined : doubtfulName(symptom, options.inventory);
  if (name !== undefined) return name;
  // a name that is like no other: who is asked anything about it first has answered in vain
  const known = new Set(options.inventory.names());
  const named = [symptom.target, ...symptom.from, ...symptom.via];
  if (named.some((one) => one.kind === 'node' && !known.has(one.node))) return undefined;
  const object = settled.includes('object') ? undefined : await doubtfulObject(symptom, options);
  if (object !== undefined) return object;
  const owner = settled.includes('owner') ? undefined : await doubtfulOwner(symptom, options.inventory);
  if (owner !== undefined) return owner;
  return settled.includes('from') ? undefined : doubtfulSource(symptom, text, options);
}

/** "node-5" where there are node-50 and node-51. */
function doubtfulName(symptom: Symptom, inventory: Inventory): Doubt | undefined {
  const known = new Set(inventory.names());
  const check = (asked: Target, withName: (name: string) => Symptom): Doubt | undefined => {
    if (asked.kind !== 'node' || known.has(asked.node)) return undefined;
    const choices = namesWith(asked.node, inventory).slice(0, maxChoices);
    if (choices.length === 0) return undefined;
    return {
      open: 'name',
      about: asked.node,
      choices: choices.map((label) => ({ label, text: questionText(withName(label)) })),
    };
  };
  const renamed = (asked: Target, node: string): Target => (asked.kind === 'node' ? { ...asked, node } : asked);
  const inList = (key: 'from' | 'via'): Doubt | undefined => {
    for (const [at, asked] of symptom[key].entries()) {
      const doubt = check(asked, (name) => ({ ...symptom, [key]: symptom[key].with(at, renamed(asked, name)) }));
      if (doubt !== undefined) return doubt;
    }
    return undefined;
  };
  return (
    check(symptom.target, (name) => ({ ...symptom, target: renamed(symptom.target, name) })) ??
    inList('from') ??
    inList('via')
  );
}

/** Names that begin with what was asked, then names that have it in them. */
function namesWith(asked: string, inventory: Inventory): readonly string[] {
  const wanted = asked.toLowerCase();
  const names = inventory.names();
  const begins = names.filter((name) => name.toLowerCase().startsWith(wanted));
  const contains = wanted.length < 3 ? [] : names.filter((name) => name.toLowerCase().includes(wanted));
  return [...new Set([...begins, ...contains])];
}

/** "svc cart" where several namespaces have one. */
async function doubtfulObject(symptom: Symptom, { namespacesOf }: InterpretOptions): Promise<Doubt | undefined> {
  const { target } = symptom;
  if (target.kind !== 'kubernetes' || target.namespace !== undefined || target.object === 'nodeport') return undefined;
  const namespaces = (await namespacesOf?.(target).catch(() => [])) ?? [];
  if (namespaces.length < 2) return undefined;
  const choices = namespaces.slice(0, maxChoices).map((namespace) => ({
    label: `${namespace}/${target.name}`,
    text: questionText({ ...symptom, target: { ...target, namespace } }),
  }));
  return { open: 'object', about: describeTarget(target), choices };
}

/** An address that two nodes have. */
async function doubtfulOwner(symptom: Symptom, inventory: Inventory): Promise<Doubt | undefined> {
  const { target } = symptom;
  if (target.kind !== 'address' || target.node !== undefined || inventory.ownersOf === undefined) return undefined;
  const owners = await inventory.ownersOf(canonicalAddress(target.address));
  if (owners.length < 2) return undefined;
  const choices = owners.slice(0, maxChoices).map(({ name }) => ({
    label: name,
    text: questionText({ ...symptom, target: { ...target, node: name } }),
  }));
  return { open: 'owner', about: target.address, choices, guess: questionText(symptom) };
}

/** Nobody said where it fails from, and there is more than one place to try it from. */
async function doubtfulSource(symptom: Symptom, text: string, options: InterpretOptions): Promise<Doubt | undefined> {
  if (symptom.from.length > 0) return undefined;
  const { inventory, probeFrom } = options;
  const owner =
    symptom.target.kind === 'address' ? await inventory.ownerOf(canonicalAddress(symptom.target.address)) : null;
  const inRun = new Set([targetName(symptom), owner?.name, ...symptom.via.map(describeTarget)]);
  const others = inventory.names().filter((name) => !inRun.has(name));
  if (others.length < 2 || probeFrom.some((name) => !inRun.has(name))) return undefined;
  const earlier = (await earlierOf(options, targetName(symptom))).flatMap((one) => one.from.map(describeTarget));
  const likely = [...new Set([...earlier.filter((name) => others.includes(name)), ...others])].slice(0, maxChoices);
  return {
    open: 'from',
    about: targetName(symptom),
    choices: likely.map((label) => ({ label, text: `${text} from ${label}` })),
    guess: text,
  };
}

function targetName({ target }: Symptom): string {
  return target.kind === 'node' ? target.node : describeTarget(target);
}

async function earlierOf({ earlier }: InterpretOptions, node?: string): Promise<readonly Symptom[]> {
  return (await earlier?.(node).catch(() => [])) ?? [];
}
