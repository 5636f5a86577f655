/** Every package that package.json asks for, and what for: `docs/licences.md`. A test holds both lists together. */
export const whyDependencies: Readonly<Record<string, string>> = {
  '@resvg/resvg-js':
    'pictures in threads: SVG to PNG without a browser. One library without dependencies of its own; a new version is a new build of resvg, which is kept by its Rust authors',
  '@slack/bolt': "Slack: Socket Mode, HTTP with signature checks, types. Slack's own",
  bullmq: 'queue of runs and audits in Redis, with flows, delays and recovery of what a dead worker held',
  'cron-parser': 'time of schedules; the parser that bullmq uses, so that both agree',
  ioredis: 'Redis; the client that bullmq is made for',
  'node-ssh': 'opens SSH connections; a thin layer over ssh2',
  ssh2: 'the SSH protocol itself: host keys, agents, channels, streams. Two layers are asked for by name because netcheck pins both',
  undici: "what Slack's Socket Mode connects with (its peer dependency); pinned to the line that runs on Node 20",
  yaml: 'configuration, playbooks, kubeconfig, with line and column of every error',
  zod: 'checks everything that comes from outside; makes the JSON schemas',
  '@biomejs/biome': 'formats',
  '@types/node': 'types of Node',
  '@types/ssh2': 'types of ssh2',
  '@types/ws': 'types of ws',
  esbuild: 'bundles `netcheck pcap`, which must start fast',
  'fast-check': 'property tests',
  'kubernetes-models': 'schemas that the manifests in `deploy/` are held against',
  oxlint: 'lints',
  'oxlint-tsgolint': 'lints with types',
  tsx: 'runs TypeScript in tests and generators',
  typescript: 'types, and the build',
  vitest: 'tests',
  ws: 'Socket Mode of the Slack fake in tests',
};

export interface OldDependency {
  readonly names: readonly string[];
  /** The package that asks for them. */
  readonly through: string;
  readonly why: string;
}

/** What has had no release for years, or will have none. */
export const oldDependencies: readonly OldDependency[] = [
  {
    names: ['asn1', 'bcrypt-pbkdf', 'tweetnacl', 'safer-buffer'],
    through: 'ssh2',
    why: 'small and finished: DER, the key derivation of encrypted OpenSSH keys, Ed25519. ssh2 needs them only to read key files; handshakes use the crypto of Node',
  },
  {
    names: ['cpu-features', 'nan', 'buildcheck'],
    through: 'ssh2',
    why: 'optional, and not built with `--ignore-scripts`: ssh2 then chooses ciphers in another order. Nothing else uses them',
  },
  {
    names: ['shell-escape', 'sb-scandir', 'sb-promise-queue', 'make-dir', 'is-stream'],
    through: 'node-ssh',
    why: 'for its helpers that quote and copy files; netcheck calls none of them (it quotes in `adapters/ssh/quote-argv.ts` and copies nothing)',
  },
  {
    names: ['p-queue', 'p-retry', 'p-timeout', 'p-finally', 'retry', 'eventemitter3'],
    through: '@slack/bolt',
    why: "older lines of living packages that still load without ESM; Slack's web API keeps them, netcheck turns its retries off",
  },
  {
    names: ['buffer-equal-constant-time', 'ecdsa-sig-formatter', 'jwa', 'jws', 'jsonwebtoken', 'tsscmp'],
    through: '@slack/bolt',
    why: 'for OAuth and for checking signatures: small and finished. netcheck has no OAuth; signatures go through tsscmp, a comparison in constant time of twenty lines',
  },
  {
    names: [
      'lodash.includes',
      'lodash.isboolean',
      'lodash.isinteger',
      'lodash.isnumber',
      'lodash.isplainobject',
      'lodash.isstring',
      'lodash.once',
    ],
    through: '@slack/bolt',
    why: 'of jsonwebtoken, which only OAuth loads; single functions without side effects',
  },
  {
    names: [
      'depd',
      'ee-first',
      'encodeurl',
      'escape-html',
      'etag',
      'fresh',
      'inherits',
      'merge-descriptors',
      'ms',
      'once',
      'parseurl',
      'range-parser',
      'setprototypeof',
      'toidentifier',
      'unpipe',
      'vary',
      'wrappy',
    ],
    through: '@slack/bolt',
    why: "of express, kept by its team; small and finished. In HTTP mode netcheck answers by its own bounded server and hands Slack's requests to Bolt",
  },
  {
    names: ['cluster-key-slot', 'denque', 'redis-errors', 'standard-as-callback'],
    through: 'ioredis',
    why: 'small and finished: a hash function, a queue, error classes',
  },
  {
    names: ['node-abort-controller'],
    through: 'bullmq',
    why: 'a copy of what Node has had since 15; bullmq falls back to it and never has to',
  },
];
