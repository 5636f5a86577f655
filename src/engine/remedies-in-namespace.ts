import type { Evidence } from '../model/evidence.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { Finding, Remedy } from '../model/report.ts';
import type { EngineText } from './wording.ts';

/**
 * How each network namespace of a run was entered, as words for a command line: `nsenter --net=/proc/967/ns/net`.
 * From what was run there; a place where nothing had to be entered is not among them.
 */
export function entrances(evidence: readonly Evidence[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { entry } of evidence) {
    const [tool, where = ''] = entry.argv;
    if (tool === 'nsenter' && /^--net=[\w./-]+$/.test(where)) found.set(entry.node, `nsenter ${where}`);
  }
  return found;
}

/**
 * Remedies for a network namespace as commands for the node that it is on. Kernel settings of a namespace are its own
 * (man network_namespaces(7)): a file in sysctl.d changes those of the node and none of a pod, so whatever makes the
 * namespace has to set them.
 */
export function remediesInNamespace(
  finding: Finding,
  entered: ReadonlyMap<string, string>,
  say: Pick<EngineText, 'namespaceForGood'>,
): Finding {
  const isInside = ({ node }: Remedy): boolean => node !== undefined && nodeOfPlace(node) !== node;
  if (!finding.remedies.some(isInside)) return finding;
  const hasManifest = finding.remedies.some(({ manifest }) => manifest !== undefined);
  const remedies = finding.remedies.flatMap((remedy): readonly Remedy[] => {
    if (!isInside(remedy)) return [remedy];
    if (remedy.kind === 'permanent' && remedy.commands.some((command) => command.includes('/etc/sysctl.d/'))) {
      const settings = finding.remedies.flatMap(({ node, settings: own }) => (node === remedy.node ? (own ?? []) : []));
      const list = [...new Set(settings.map(({ key, value }) => `${key}=${value}`))].join(', ');
      return hasManifest ? [] : [{ ...remedy, text: say.namespaceForGood(list), commands: [], undo: [] }];
    }
    const entrance = entered.get(remedy.node ?? '');
    if (entrance === undefined) return [remedy];
    const inside = (command: string): string =>
      /^(?:sysctl -w|ip(?:6?tables)?(?:-legacy)?|nft|tc) /.test(command) && !/[|;&<>]/.test(command)
        ? `${entrance} ${command}`
        : command;
    return [{ ...remedy, commands: remedy.commands.map(inside), undo: remedy.undo.map(inside) }];
  });
  return { ...finding, remedies };
}
