import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Redis } from 'ioredis';
import { NodeAudit } from '../../model/node-audit.ts';
import type { AuditNames } from './audit-names.ts';

/**
 * What the nodes of one audit have come to, until its report is there: a crash of whoever puts it together costs
 * nothing that was already looked at. The results of a fleet resemble each other: the first one is the dictionary that
 * all are packed with, which leaves some hundred bytes of each.
 */
export interface AuditResults {
  /** Tells whether it was the first result of that node; another one changes nothing. */
  record(result: NodeAudit): Promise<boolean>;
  has(node: string): Promise<boolean>;
  /** Results after a place (`0`: all), in the order in which they came; at most `count`. */
  read(after: string, count: number): Promise<{ readonly last: string; readonly results: readonly NodeAudit[] }>;
  drop(): Promise<void>;
}

/** The window of deflate (RFC 1951): more of a dictionary is not used. */
const dictionaryBytes = 32_768;
/** One result, unpacked: what says more was not made by `auditNode`, which bounds every part. */
const maxResultBytes = 4_000_000;

const recordScript = `
if redis.call('SADD', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[1], '*', 'r', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1`;

/** Sets it where it is not set, and tells what it is. */
const dictionaryScript = `
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return redis.call('GET', KEYS[1])`;

/** @param keepMs results that nobody drops are gone after this */
export function createAuditResults(client: Redis, names: AuditNames, audit: string, keepMs: number): AuditResults {
  const [results, done, dictionary] = [names.resultsKey(audit), names.doneKey(audit), names.dictionaryKey(audit)];
  let packedWith: Buffer | undefined;
  return {
    async record(result) {
      const bytes = Buffer.from(JSON.stringify(result));
      packedWith ??= bufferOf(
        await client.callBuffer('EVAL', dictionaryScript, 1, dictionary, bytes.subarray(-dictionaryBytes), keepMs),
      );
      const packed = deflateRawSync(bytes, packedWith === undefined ? {} : { dictionary: packedWith });
      return (await client.eval(recordScript, 2, results, done, result.node, packed, keepMs)) === 1;
    },

    has: async (node) => (await client.sismember(done, node)) === 1,

    async read(after, count) {
      const from = after === '0' ? '-' : `(${after}`;
      const entries = await client.xrangeBuffer(results, from, '+', 'COUNT', count);
      if (entries.length > 0) packedWith ??= (await client.getBuffer(dictionary)) ?? undefined;
      return {
        last: entries.at(-1)?.[0].toString('latin1') ?? after,
        results: entries.flatMap(([, [, packed]]) => {
          const result = packed === undefined ? undefined : unpack(packed, packedWith);
          return result === undefined ? [] : [result];
        }),
      };
    },

    async drop() {
      await client.unlink(results, done, dictionary);
    },
  };
}

/** Undefined where another version of netcheck wrote something that this one cannot read. */
function unpack(packed: Buffer, dictionary: Buffer | undefined): NodeAudit | undefined {
  try {
    const bytes = inflateRawSync(packed, {
      maxOutputLength: maxResultBytes,
      ...(dictionary === undefined ? {} : { dictionary }),
    });
    return NodeAudit.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}

function bufferOf(answer: unknown): Buffer | undefined {
  return Buffer.isBuffer(answer) ? answer : undefined;
}
