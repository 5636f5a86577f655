import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import * as z from 'zod';
import type { AuditBaselines } from '../../engine/ports.ts';
import { type AuditBaseline, BaselineNode } from '../../model/audit-baseline.ts';
import { NetcheckError } from '../../model/errors.ts';

const Head = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  playbook: z.string(),
  selector: z.string(),
  startedAtMs: z.number(),
});

/** Begin of a draft's name; one that is left behind by a crash is this old at least before it is removed, milliseconds. */
const draftMark = '.draft-';
const draftAgeMs = 3_600_000;
const suffix = '.ndjson.gz';

/**
 * What audits found, in `directory/<key of playbook and selector>/<time>-<id>.ndjson.gz`: a line for the audit, then one
 * per node. A file appears whole or not at all; the oldest ones go when there are more than `keep`.
 */
export function createAuditBaselines(directory: string, { keep }: { readonly keep: number }): AuditBaselines {
  const folderOf = ({ playbook, selector }: { readonly playbook: string; readonly selector: string }): string =>
    path.join(directory, createHash('sha256').update(`${playbook}\n${selector}`).digest('hex').slice(0, 16));
  return {
    async last(of) {
      const folder = folderOf(of);
      const own = of.except === undefined ? undefined : `-${nameOf(of.except)}${suffix}`;
      const newest = (await filesOf(folder)).findLast((name) => own === undefined || !name.endsWith(own));
      return newest === undefined ? null : await read(path.join(folder, newest));
    },
    async keep(baseline) {
      const folder = folderOf(baseline);
      const { id, playbook, selector, startedAtMs } = baseline;
      const time = new Date(startedAtMs).toISOString().replaceAll(/[-:]/g, '').slice(0, 15);
      const draft = path.join(folder, `${draftMark}${Date.now()}-${randomUUID().slice(0, 8)}`);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const head: z.infer<typeof Head> = { format: 1, id, playbook, selector, startedAtMs };
        await pipeline(Readable.from(linesOf(head, baseline)), createGzip(), createWriteStream(draft, { mode: 0o600 }));
        await rename(draft, path.join(folder, `${time}-${nameOf(id)}${suffix}`));
        const old = (await filesOf(folder)).slice(0, -keep);
        for (const name of [...old, ...(await leftDrafts(folder))]) await rm(path.join(folder, name), { force: true });
      } catch (cause) {
        await rm(draft, { force: true }).catch(() => undefined);
        throw new NetcheckError(
          'fault/internal',
          `The result of the audit cannot be kept in ${folder}: ${cause instanceof Error ? cause.message : String(cause)}.`,
          'Make room there, or correct its permissions; the next audit has nothing to compare with.',
          { cause },
        );
      }
    },
  };
}

/** An id, fit for a file name. */
const nameOf = (id: string): string => id.replaceAll(/[^A-Za-z0-9._-]/g, '_');

function* linesOf(head: z.infer<typeof Head>, { nodes }: AuditBaseline): Generator<string> {
  yield `${JSON.stringify(head)}\n`;
  for (const node of nodes.values()) yield `${JSON.stringify(node)}\n`;
}

/** Oldest first: the names begin with the time. */
async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[];
    throw error;
  });
  return names.filter((name) => name.endsWith(suffix) && !name.startsWith(draftMark)).sort();
}

async function leftDrafts(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter(
    (name) => name.startsWith(draftMark) && Date.now() - Number.parseInt(name.slice(draftMark.length), 10) > draftAgeMs,
  );
}

/** Null where it cannot be made sense of: an audit without a comparison is better than none. */
async function read(file: string): Promise<AuditBaseline | null> {
  const source = createReadStream(file);
  const text = source.pipe(createGunzip());
  const failed = new Promise<never>((_resolve, reject) => {
    source.once('error', reject);
    text.once('error', reject);
  });
  failed.catch(() => undefined);
  try {
    return await Promise.race([parse(text), failed]);
  } catch {
    return null;
  } finally {
    source.destroy();
    text.destroy();
  }
}

async function parse(text: Readable): Promise<AuditBaseline | null> {
  let head: z.infer<typeof Head> | undefined;
  const nodes = new Map<string, BaselineNode>();
  for await (const line of createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (head === undefined) head = Head.parse(JSON.parse(line));
    else {
      const node = BaselineNode.parse(JSON.parse(line));
      nodes.set(node.node, node);
    }
  }
  if (head === undefined) return null;
  const { format: _format, ...rest } = head;
  return { ...rest, nodes };
}
