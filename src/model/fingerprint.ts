import type { Finding } from './report.ts';
import type { Symptom } from './symptom.ts';

/**
 * What makes two findings the same trouble: the rule (the cause), where it is, and the port that suffers. Readable, and
 * the same for every run: `tw-recycle/node-50/tcp/1301`. The client is a part of it only where the finding is about the
 * path from there.
 */
export function fingerprintOf(
  { rule, node, path }: Pick<Finding, 'rule' | 'node' | 'path'>,
  { protocol, port }: Pick<Symptom, 'protocol' | 'port'>,
): string {
  const place = path === undefined ? node : `${path.from}>${path.to}`;
  return `${rule}/${place}/${protocol}/${port}`;
}

/** The same for an audit, where nobody asked about a port: `tw-recycle/node-50/audit`. @param check see `AuditFinding` */
export function auditFingerprint(check: string, node: string): string {
  return `${check}/${node}/audit`;
}
