import { NetcheckError } from '../model/errors.ts';
import { IpAddress, NodeName } from '../model/inventory.ts';
import { NetnsName } from '../model/netns.ts';
import { Symptom, type Target } from '../model/symptom.ts';
import { unmangle } from '../model/unmangle.ts';

/** Longest ask that is read, characters. Slack itself allows more; nobody needs it. */
export const maxAskCharacters = 1000;

const grammar =
  '<node|address|pod ns/name> [netns <pid|name|container>] port <N> [from <node>] [via <node>] [udp] [size <bytes>] [for 20s] [playbook <id>] [symptom words]';
const example = 'For example: node-50 port 1301 from node-12';
const exampleZh = '例如：node-50 port 1301 from node-12';

const kubernetesKinds: ReadonlyMap<string, 'pod' | 'svc' | 'deploy' | 'nodeport' | 'ingress'> = new Map(
  Object.entries({
    pod: 'pod',
    svc: 'svc',
    service: 'svc',
    deploy: 'deploy',
    deployment: 'deploy',
    nodeport: 'nodeport',
    ingress: 'ingress',
  }),
);

const keywords: ReadonlyMap<string, 'port' | 'from' | 'via' | 'udp' | 'tcp' | 'size' | 'for' | 'playbook'> = new Map(
  Object.entries({
    port: 'port',
    端口: 'port',
    from: 'from',
    从: 'from',
    来自: 'from',
    via: 'via',
    经: 'via',
    经过: 'via',
    udp: 'udp',
    tcp: 'tcp',
    size: 'size',
    大小: 'size',
    for: 'for',
    持续: 'for',
    playbook: 'playbook',
    剧本: 'playbook',
  }),
);

/**
 * The one grammar of Slack, command line and tests (design section 2): text in, validated symptom out. Tolerates what
 * chat does to text. Nothing that it returns except host names, addresses, numbers and ids that passed their schemas
 * can reach a command line; symptom words are shown, never run.
 *
 * @throws NetcheckError `ask/…` with one sentence that says what is wrong and what would be right
 */
export function parseAsk(text: string): Symptom {
  if (text.length > maxAskCharacters)
    throw new NetcheckError(
      'ask/too-long',
      `The question has ${text.length} characters; at most ${maxAskCharacters} are read.`,
      `Ask like this: ${grammar}`,
      {
        zh: {
          message: `问题有 ${text.length} 个字符，最多读取 ${maxAskCharacters} 个。`,
          hint: `请这样问：${grammar}`,
        },
      },
    );
  const clean = unmangle(text);
  const tokens = new TokenReader(clean);
  if (tokens.peek()?.toLowerCase() === 'check') tokens.next();
  if (tokens.peek() === undefined)
    throw new NetcheckError(
      'ask/empty',
      'There is no target in the question.',
      `Ask like this: ${grammar}. ${example}`,
      { zh: { message: '问题里没有目标。', hint: `请这样问：${grammar}。${exampleZh}` } },
    );

  const first = readTarget(tokens);
  let port = first.port;
  let protocol: 'tcp' | 'udp' = 'tcp';
  let sizeBytes: number | undefined;
  let watchMs: number | undefined;
  let playbook: string | undefined;
  const from: Target[] = [];
  const via: Target[] = [];
  const words: string[] = [];

  for (let token = tokens.next(); token !== undefined; token = tokens.next()) {
    const keyword = keywords.get(token.toLowerCase());
    switch (keyword) {
      case 'port':
        port = readPort(tokens.next());
        break;
      case 'from':
        from.push(...readTargets(tokens));
        break;
      case 'via':
        via.push(...readTargets(tokens));
        break;
      case 'udp':
      case 'tcp':
        protocol = keyword;
        break;
      case 'size':
        sizeBytes = readSize(tokens.next());
        break;
      case 'for': {
        const ms = readDuration(tokens.peek());
        if (ms === undefined) words.push(token);
        else {
          tokens.next();
          watchMs = ms;
        }
        break;
      }
      case 'playbook': {
        playbook = tokens.next()?.toLowerCase();
        if (playbook === undefined || !/^[a-z][a-z0-9-]{0,62}$/.test(playbook))
          throw new NetcheckError(
            'ask/unknown-playbook',
            `"playbook" needs the id of a playbook${playbook === undefined ? '' : `, and "${shown(playbook)}" is none`}.`,
            'netcheck playbooks lists them.',
            {
              zh: {
                message: `"playbook" 后面要写剧本的 id${playbook === undefined ? '' : `，"${shown(playbook)}" 不是`}。`,
                hint: 'netcheck playbooks 会列出所有剧本。',
              },
            },
          );
        break;
      }
      case undefined: {
        const glued = /^(?:port|端口)[=:：]?(\d+)$/i.exec(token);
        if (glued) port = readPort(glued[1]);
        else if (token !== ',') words.push(token);
      }
    }
  }

  if (port === undefined)
    throw new NetcheckError(
      'ask/no-port',
      `Which port of ${describeTarget(first.target)}? The question names none.`,
      `Add "port <number>". ${example}`,
      {
        zh: {
          message: `${describeTarget(first.target)} 的哪个端口？问题里没有写。`,
          hint: `请加上 "port <端口号>"。${exampleZh}`,
        },
      },
    );
  return Symptom.parse({
    text: clean,
    target: first.target,
    port,
    protocol,
    from,
    via,
    words,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(watchMs === undefined ? {} : { watchMs }),
    ...(playbook === undefined ? {} : { playbook }),
  });
}

/** A target as a person would write it again. */
export function describeTarget(target: Target): string {
  switch (target.kind) {
    case 'node':
      return target.netns === undefined ? target.node : `${target.node} netns ${target.netns}`;
    case 'address':
      return target.node === undefined ? target.address : `${target.address} on ${target.node}`;
    case 'kubernetes':
      return `${target.object} ${target.namespace === undefined ? '' : `${target.namespace}/`}${target.name}`;
  }
}

/** A symptom as a question again: parsing it gives the same symptom. */
export function questionText(symptom: Symptom): string {
  const { target, port, protocol, sizeBytes, watchMs, from, via, playbook, words } = symptom;
  return [
    `${describeTarget(target)} port ${port}`,
    ...from.map((one) => `from ${describeTarget(one)}`),
    ...via.map((one) => `via ${describeTarget(one)}`),
    ...(protocol === 'udp' ? ['udp'] : []),
    ...(sizeBytes === undefined ? [] : [`size ${sizeBytes}`]),
    ...(watchMs === undefined ? [] : [`for ${watchMs}ms`]),
    ...(playbook === undefined ? [] : [`playbook ${playbook}`]),
    ...words,
  ].join(' ');
}

class TokenReader {
  readonly #tokens: readonly string[];
  #at = 0;
  constructor(text: string) {
    // Chinese is written without blanks: "端口1301" and "从node-12" are split where the keyword ends.
    this.#tokens = text
      .replaceAll(/(端口|来自|从|经过|经|持续|大小)(?=[\w.:[-])/g, ' $1 ')
      .replaceAll(/[,，、]/g, ' , ')
      .split(/\s+/)
      .filter((token) => token !== '' && token !== '。');
  }
  peek(ahead = 0): string | undefined {
    return this.#tokens[this.#at + ahead];
  }
  next(): string | undefined {
    const token = this.#tokens[this.#at];
    this.#at++;
    return token;
  }
}

function readTargets(tokens: TokenReader): Target[] {
  const targets = [readTarget(tokens).target];
  while (joinsTargets(tokens.peek(), tokens.peek(1))) {
    tokens.next();
    targets.push(readTarget(tokens).target);
  }
  return targets;
}

/** "a, b", "a and b": a comma counts only where something that may be a name follows, not a keyword. */
function joinsTargets(token: string | undefined, next: string | undefined): boolean {
  if (token === undefined || next === undefined || keywords.has(next.toLowerCase())) return false;
  return token.toLowerCase() === 'and' || token === '和' || (token === ',' && /^[A-Za-z0-9[]/.test(next));
}

function readTarget(tokens: TokenReader): { target: Target; port?: number } {
  const { target, ...port } = readPlainTarget(tokens);
  const word = tokens.peek()?.toLowerCase();
  if (target.kind === 'address' && (word === 'on' || word === '在')) {
    // "on" may be one of the words that say what it looks like
    const node = NodeName.safeParse(tokens.peek(1));
    if (!node.success || keywords.has(node.data.toLowerCase())) return { target, ...port };
    tokens.next();
    tokens.next();
    return { target: { ...target, node: node.data }, ...port };
  }
  if (word !== 'netns' && word !== '命名空间') return { target, ...port };
  tokens.next();
  const name = tokens.next();
  if (target.kind !== 'node')
    throw new NetcheckError(
      'ask/bad-name',
      `"netns" belongs behind the name of a node, not behind ${describeTarget(target)}.`,
      'For example: node-50 netns 4321 port 1301',
      {
        zh: {
          message: `"netns" 要写在节点名之后，不能写在 ${describeTarget(target)} 之后。`,
          hint: '例如：node-50 netns 4321 port 1301',
        },
      },
    );
  const netns = NetnsName.safeParse(name);
  if (!netns.success)
    throw new NetcheckError(
      'ask/bad-name',
      name === undefined
        ? 'The network namespace after "netns" is missing.'
        : `"${shown(name)}" is not a network namespace: give a pid, a name of "ip netns" or a container id.`,
      'For example: node-50 netns 4321 port 1301',
      {
        zh: {
          message:
            name === undefined
              ? '"netns" 之后缺少网络命名空间。'
              : `"${shown(name)}" 不是网络命名空间：请给出 pid、"ip netns" 的名字或容器 id。`,
          hint: '例如：node-50 netns 4321 port 1301',
        },
      },
    );
  return { target: { ...target, netns: netns.data }, ...port };
}

function readPlainTarget(tokens: TokenReader): { target: Target; port?: number } {
  const token = tokens.next();
  if (token === undefined)
    throw new NetcheckError(
      'ask/bad-name',
      'A name or an address is missing at the end of the question.',
      `Ask like this: ${grammar}`,
      { zh: { message: '问题末尾缺少名字或地址。', hint: `请这样问：${grammar}` } },
    );
  const object = kubernetesKinds.get(token.toLowerCase());
  const name = tokens.peek();
  if (object !== undefined && name !== undefined && !keywords.has(name.toLowerCase())) {
    tokens.next();
    return readKubernetes(object, name);
  }
  const bracketed = /^\[([0-9a-f:.]+)\](?::(.+))?$/i.exec(token);
  if (bracketed?.[1] !== undefined && IpAddress.safeParse(bracketed[1]).success)
    return { target: { kind: 'address', address: bracketed[1] }, ...portOf(bracketed[2]) };
  if (IpAddress.safeParse(token).success) return { target: { kind: 'address', address: token } };
  const withPort = /^([^:]+):([^:]+)$/.exec(token);
  const host = withPort?.[1] ?? token;
  const port = portOf(withPort?.[2]);
  if (IpAddress.safeParse(host).success) return { target: { kind: 'address', address: host }, ...port };
  if (/^[\d.]+$/.test(host))
    throw new NetcheckError(
      'ask/bad-name',
      `"${shown(host)}" is not an IPv4 address (four numbers from 0 to 255).`,
      example,
      { zh: { message: `"${shown(host)}" 不是 IPv4 地址（四个 0 到 255 的数）。`, hint: exampleZh } },
    );
  if (!NodeName.safeParse(host).success)
    throw new NetcheckError(
      'ask/bad-name',
      `"${shown(host)}" is not a name of a node: names have only letters, digits, ".", "-" and "_".`,
      `Nothing was run. Ask like this: ${grammar}`,
      {
        zh: {
          message: `"${shown(host)}" 不是节点名：节点名只能有字母、数字、"."、"-" 和 "_"。`,
          hint: `没有执行任何操作。请这样问：${grammar}`,
        },
      },
    );
  return { target: { kind: 'node', node: host }, ...port };
}

function readKubernetes(
  object: 'pod' | 'svc' | 'deploy' | 'nodeport' | 'ingress',
  text: string,
): { target: Target; port?: number } {
  if (object === 'nodeport') {
    const port = readPort(text);
    return { target: { kind: 'kubernetes', object, name: String(port) }, port };
  }
  const match = /^(?:([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)\/)?([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(?::(.+))?$/.exec(
    text,
  );
  if (match?.[3] === undefined)
    throw new NetcheckError(
      'ask/bad-name',
      `"${shown(text)}" is not the name of a ${object}: write ${object} namespace/name.`,
      'For example: pod shop/cart-7d9f port 8080',
      {
        zh: {
          message: `"${shown(text)}" 不是 ${object} 的名字：请写 ${object} 命名空间/名字。`,
          hint: '例如：pod shop/cart-7d9f port 8080',
        },
      },
    );
  return {
    target: { kind: 'kubernetes', object, name: match[3], ...(match[1] === undefined ? {} : { namespace: match[1] }) },
    ...portOf(match[5]),
  };
}

function portOf(text: string | undefined): { port?: number } {
  return text === undefined ? {} : { port: readPort(text) };
}

function readPort(text: string | undefined): number {
  const port = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65535) return port;
  throw new NetcheckError(
    'ask/bad-port',
    text === undefined
      ? 'The port number is missing.'
      : `"${shown(text)}" is not a port: ports are numbers from 1 to 65535.`,
    example,
    {
      zh: {
        message: text === undefined ? '缺少端口号。' : `"${shown(text)}" 不是端口：端口是 1 到 65535 的数。`,
        hint: exampleZh,
      },
    },
  );
}

function readSize(text: string | undefined): number {
  const match = /^(\d{1,6})(k|kb|b)?$/i.exec(text ?? '');
  const bytes = match ? Number(match[1]) * (/^k/i.test(match[2] ?? '') ? 1024 : 1) : Number.NaN;
  if (bytes >= 1 && bytes <= 65507) return bytes;
  throw new NetcheckError(
    'ask/bad-size',
    text === undefined
      ? 'The number of bytes after "size" is missing.'
      : `"${shown(text)}" is not a size: sizes are bytes from 1 to 65507.`,
    'For example: node-50 port 1301 size 1400',
    {
      zh: {
        message: text === undefined ? '"size" 之后缺少字节数。' : `"${shown(text)}" 不是大小：大小是 1 到 65507 字节。`,
        hint: '例如：node-50 port 1301 size 1400',
      },
    },
  );
}

/** `20s`, `2m`, `20`: milliseconds; undefined where it is no duration (then "for" was an ordinary word). */
function readDuration(text: string | undefined): number | undefined {
  const match = /^(\d{1,6})(ms|s|sec|m|min|秒|分钟?)?$/i.exec(text ?? '');
  if (!match) return undefined;
  const unit = (match[2] ?? 's').toLowerCase();
  const ms = Number(match[1]) * (unit === 'ms' ? 1 : unit.startsWith('m') || unit.startsWith('分') ? 60_000 : 1000);
  if (ms >= 1000 && ms <= 300_000) return ms;
  throw new NetcheckError(
    'ask/bad-duration',
    `"${shown(text ?? '')}" is not a time that can be watched: from 1s to 300s.`,
    'For example: node-50 port 1301 for 20s',
    {
      zh: {
        message: `"${shown(text ?? '')}" 不是可以观察的时长：从 1s 到 300s。`,
        hint: '例如：node-50 port 1301 for 20s',
      },
    },
  );
}

/** A piece of the question for an error sentence: cut, on one line, nothing that could act in a terminal or chat. */
function shown(text: string): string {
  const safe = text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '�');
  return safe.length > 60 ? `${safe.slice(0, 57)}…` : safe;
}
