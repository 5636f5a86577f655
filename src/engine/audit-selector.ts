import { NetcheckError } from '../model/errors.ts';
import { closestNames } from './inventory.ts';

/** A node as far as a selector looks at it. */
export interface Selectable {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

type Test = (node: Selectable) => boolean;

/** Longest selector, and how deep groups may stand within groups. */
const mostCharacters = 2000;
const deepest = 5;

/**
 * `node-1, web-*, rack=r1, role!=db, env in (prod,test), !gpu`: the labels as Kubernetes selects by them, and names, globs
 * and groups. Names, globs and groups add up; every label term must hold as well; `!` before a name, a glob or a group
 * takes those nodes out. An empty selector is every node.
 *
 * @param groups name -> a selector of its own
 * @throws NetcheckError `audit/bad-selector` where a term cannot be read or means nothing here; `audit/no-nodes` where
 *   nothing is left
 */
export function selectNodes<Node extends Selectable>(
  selector: string,
  nodes: readonly Node[],
  groups: Readonly<Record<string, string>> = {},
): readonly Node[] {
  if (nodes.length === 0)
    throw new NetcheckError(
      'audit/no-nodes',
      'There are no nodes to audit: the inventory is empty.',
      'List the nodes in netcheck.yaml, or set sshConfig: true.',
    );
  const test = testOf(selector, nodes, groups, 0);
  const selected = nodes.filter(test);
  if (selected.length > 0) return selected;
  throw new NetcheckError(
    'audit/no-nodes',
    `No node is selected by "${selector}".`,
    `${listed('Labels there are', labelsOf(nodes))} ${listed(
      'Nodes',
      nodes.map(({ name }) => name),
    )}`.trim(),
  );
}

function testOf(
  selector: string,
  nodes: readonly Selectable[],
  groups: Readonly<Record<string, string>>,
  depth: number,
): Test {
  const named: Test[] = [];
  const needed: Test[] = [];
  for (const term of termsOf(selector)) {
    const label = labelTest(term);
    if (label !== undefined) {
      needed.push(label);
      continue;
    }
    const isNot = term.startsWith('!');
    const word = isNot ? term.slice(1).trim() : term;
    const test = wordTest(word, nodes, groups, depth);
    if (test === undefined) throw meansNothing(term, word, nodes, groups);
    if (isNot) needed.push((node) => !test.of(node));
    else if (test.isLabel) needed.push(test.of);
    else named.push(test.of);
  }
  return (node) => (named.length === 0 || named.some((test) => test(node))) && needed.every((test) => test(node));
}

/** At commas and blanks, but not within the brackets of `in (…)`. */
function termsOf(selector: string): readonly string[] {
  if (selector.length > mostCharacters)
    throw bad(`The selector is longer than ${mostCharacters} characters.`, 'Make a group of it in netcheck.yaml.');
  const tidy = selector
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll(/\s*(!=|==|=)\s*/g, '$1')
    .replaceAll(/\s+(not\s*in|in)\s*\(([^()]*)\)/gi, (_all, how: string, list: string) => {
      const values = list.split(',').map((value) => value.trim());
      return `\u0000${how.toLowerCase().replaceAll(/\s+/g, '')}\u0000${values.join('\u0001')}`;
    });
  return [...new Set(tidy.split(/[\s,]+/))].filter((term) => term !== '');
}

const key = String.raw`[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?`;
const value = /^[\p{L}\p{N}._:/@+-]*$/u;

/** Undefined: it is no term about the value of a label. */
function labelTest(term: string): Test | undefined {
  const [name = '', how, values = ''] = term.split('\u0000');
  if (how !== undefined) {
    if (!new RegExp(`^${key}$`).test(name)) throw bad(`"${name}" is no name of a label.`, example);
    const wanted = values.split('\u0001');
    const strange = wanted.find((one) => one === '' || !value.test(one));
    if (strange !== undefined) throw bad(`"${shown(term)}" has a value that is none: "${strange}".`, example);
    return how === 'in'
      ? ({ labels }) => wanted.includes(labels[name] ?? '\u0000')
      : ({ labels }) => !wanted.includes(labels[name] ?? '\u0000');
  }
  if (!term.includes('=')) return undefined;
  const [, label, sign, wanted = ''] = new RegExp(`^(${key})(!=|==|=)(.*)$`, 'u').exec(term) ?? [];
  if (label === undefined || !value.test(wanted))
    throw bad(`"${term}" cannot be read as a term about a label.`, example);
  return sign === '!='
    ? ({ labels }) => (labels[label] ?? '\u0000') !== wanted
    : ({ labels }) => labels[label] === wanted;
}

/** A group, a name, a glob of names, or a label that a node has whatever its value. */
function wordTest(
  word: string,
  nodes: readonly Selectable[],
  groups: Readonly<Record<string, string>>,
  depth: number,
): { readonly of: Test; readonly isLabel: boolean } | undefined {
  const group = Object.hasOwn(groups, word) ? groups[word] : undefined;
  if (group !== undefined) {
    if (depth >= deepest)
      throw bad(`The group "${word}" goes deeper than ${deepest} groups.`, 'Does a group contain itself?');
    return { of: testOf(group, nodes, groups, depth + 1), isLabel: false };
  }
  if (/[*?]/.test(word)) {
    if (!/^[A-Za-z0-9._*?-]+$/.test(word)) return undefined;
    const pattern = globOf(word);
    return nodes.some(({ name }) => pattern(name)) ? { of: ({ name }) => pattern(name), isLabel: false } : undefined;
  }
  if (nodes.some(({ name }) => name === word)) return { of: ({ name }) => name === word, isLabel: false };
  if (nodes.some(({ labels }) => Object.hasOwn(labels, word)))
    return { of: ({ labels }) => Object.hasOwn(labels, word), isLabel: true };
  return undefined;
}

/** Without a regular expression: `*` after `*` after `*` would take it for ever. */
function globOf(glob: string): (name: string) => boolean {
  return (name) => {
    let at = 0;
    let from = 0;
    let star = -1;
    let mark = 0;
    while (at < name.length) {
      if (from < glob.length && (glob[from] === '?' || glob[from] === name[at])) {
        at++;
        from++;
      } else if (glob[from] === '*') {
        star = from++;
        mark = at;
      } else if (star >= 0) {
        from = star + 1;
        at = ++mark;
      } else return false;
    }
    while (glob[from] === '*') from++;
    return from === glob.length;
  };
}

const example = 'For example: rack=r1,role!=db — or role in (web,api) — or node-1,node-2 — or web-*';

function meansNothing(
  term: string,
  word: string,
  nodes: readonly Selectable[],
  groups: Readonly<Record<string, string>>,
): NetcheckError {
  const labels = [...new Set(nodes.flatMap((node) => Object.keys(node.labels)))];
  const names = nodes.map(({ name }) => name);
  const close = closestNames(word, [...Object.keys(groups), ...labels, ...names]);
  const hint =
    close.length > 0
      ? `Did you mean ${close.join(', ')}?`
      : [
          listed('Groups there are', Object.keys(groups)),
          listed('Labels there are', labelsOf(nodes)),
          listed('Nodes', names),
        ]
          .filter((part) => part !== '')
          .join(' ');
  return new NetcheckError(
    'audit/no-nodes',
    `"${shown(term)}" is no node, no group and no label here${/[*?]/.test(word) ? ', and no node has a name like that' : ''}.`,
    hint,
  );
}

function bad(message: string, hint: string): NetcheckError {
  return new NetcheckError('audit/bad-selector', message, hint);
}

function shown(term: string): string {
  const [name = '', how, values] = term.split('\u0000');
  return how === undefined ? term : `${name} ${how} (${(values ?? '').split('\u0001').join(',')})`;
}

const mostListed = 8;

/** `rack=r1, rack=r2, role=db` */
function labelsOf(nodes: readonly Selectable[]): readonly string[] {
  const pairs = nodes.flatMap(({ labels }) => Object.entries(labels).map(([name, text]) => `${name}=${text}`));
  return [...new Set(pairs)].sort();
}

function listed(what: string, items: readonly string[]): string {
  if (items.length === 0) return '';
  const more = items.length - mostListed;
  return `${what}: ${items.slice(0, mostListed).join(', ')}${more > 0 ? ` and ${more} more` : ''}.`;
}
