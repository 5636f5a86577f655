import type { Language } from '../model/language.ts';
import type { Path } from '../model/report.ts';

type End = NonNullable<Path['endsAt']>['how'];

interface PathWords {
  readonly title: string;
  readonly about: (connects: number, failed: boolean) => string;
  readonly ends: Readonly<Record<End, (node: string, before: string) => string>>;
  /** The statements about hops, with where they were read. */
  readonly details: string;
}

const en: PathWords = {
  title: 'The way',
  about: (connects, failed) =>
    failed ? `${connects} connects that failed` : connects === 1 ? '1 connect' : `${connects} connects`,
  ends: {
    inside: (node) => `they end in ${node}: it had them and sent none on`,
    before: (node, before) => `they end between ${before} and ${node}: ${node} saw none`,
    unanswered: (node) => `they arrive at ${node}, and it does not answer`,
    beyond: (node) => `${node} sent them on, and no answer came back`,
    refused: (node) => `${node} refuses them`,
    refusedBeyond: (node) => `${node} sent them on, and a refusal came back`,
    answersLost: (node) => `they are answered, and the answers do not come to ${node}`,
  },
  details: 'Where this was read',
};

const zh: PathWords = {
  title: '路径',
  about: (connects, failed) => (failed ? `${connects} 次失败的连接` : `${connects} 次连接`),
  ends: {
    inside: (node) => `止于 ${node}：收到了，但一个也没有转发出去`,
    before: (node, before) => `止于 ${before} 与 ${node} 之间：${node} 一个也没有收到`,
    unanswered: (node) => `到达了 ${node}，但它没有应答`,
    beyond: (node) => `${node} 已转发出去，但没有应答回来`,
    refused: (node) => `${node} 拒绝了它们`,
    refusedBeyond: (node) => `${node} 已转发出去，回来的是拒绝`,
    answersLost: (node) => `有应答，但应答没有到达 ${node}`,
  },
  details: '以上各项读自哪里',
};

export const pathWords: Readonly<Record<Language, PathWords>> = { en, zh };

/** Whether the way says more than that everything went well between two ends. */
export function isTelling(path: Path | undefined): path is Path {
  return path !== undefined && (path.failed || path.hops.length > 2);
}

/** Where the connects stop, one sentence; undefined where nothing stopped or it is not known. */
export function endSentence({ endsAt, hops }: Path, language: Language): string | undefined {
  if (endsAt === undefined) return undefined;
  const index = hops.findIndex(({ node }) => node === endsAt.node);
  return pathWords[language].ends[endsAt.how](endsAt.node, hops[index - 1]?.node ?? '');
}

/** `node-12 → r1 ✗ node-50`: the cross stands where the connects stop, a cut arrow where their answers do. */
export function pathLine({ hops, endsAt }: Path): string {
  const stop = hops.findIndex(({ node }) => node === endsAt?.node);
  return hops
    .map(({ node, translatedTo }, index) => {
      const name = translatedTo === undefined || index === 0 ? node : `${node} (→ ${translatedTo})`;
      if (index === 0) return name;
      const crossAt = endsAt?.how === 'inside' ? stop + 1 : endsAt?.how === 'before' ? stop : -1;
      if (index === crossAt) return `✗ ${name}`;
      return `${crossAt !== -1 && index > crossAt ? '⋯' : '→'} ${name}`;
    })
    .concat(endsAt === undefined || endsAt.how === 'inside' || endsAt.how === 'before' ? [] : ['✗'])
    .join(' ');
}
