import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { attachmentsOf } from '../src/attachments-of.ts';
import { Report } from '../src/model/report.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'netcheck-attachments-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const reportOf = async (name: string): Promise<Report> =>
  Report.parse(JSON.parse(await readFile(path.join(import.meta.dirname, 'cases', name, 'report.json'), 'utf8')));
const filesOf = async (name: string) => {
  const made = await attachmentsOf(await reportOf(name), folder, 'en', () => undefined);
  return new Map(made.map(({ name: file, bytes }) => [file.replace(/^netcheck-\d{8}T\d+-[0-9a-f]+/, 'ID'), bytes]));
};
const isPng = (bytes: Uint8Array | undefined): boolean =>
  Buffer.from(bytes ?? [])
    .subarray(1, 4)
    .toString() === 'PNG';
/** IHDR, PNG specification 11.2.2. */
const widthOf = (bytes: Uint8Array | undefined): number => Buffer.from(bytes ?? []).readUInt32BE(16);

describe('what goes with an answer in a thread', () => {
  it('has the way as a picture for phones where it has more than two hops', async () => {
    const files = await filesOf('forward-policy-drop');
    expect(isPng(files.get('ID-path.png'))).toBe(true);
    // drawn at 360 px, twice as sharp
    expect(widthOf(files.get('ID-path.png'))).toBe(720);
    expect(isPng(files.get('ID.png'))).toBe(true);
    expect([...(await filesOf('port-closed')).keys()]).not.toContain('ID-path.png');
  });

  it('has the remedies for kubectl as files, one for each rule', async () => {
    const files = await filesOf('vxlan-mtu');
    const yaml = Buffer.from(files.get('netcheck-cni-mtu-mismatch.yaml') ?? []).toString();
    const documents = parseAllDocuments(yaml).map((one) => one.toJS() as { kind: string });
    // both nodes have the same to say
    expect(documents.map(({ kind }) => kind)).toEqual(['FelixConfiguration']);
    expect([...(await filesOf('forward-policy-drop')).keys()].filter((file) => file.endsWith('.yaml'))).toEqual([]);
  });
});
