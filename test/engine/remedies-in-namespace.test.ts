import { describe, expect, it } from 'vitest';
import { entrances, remediesInNamespace } from '../../src/engine/remedies-in-namespace.ts';
import { engineText } from '../../src/engine/wording.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import type { Finding, Remedy } from '../../src/model/report.ts';
import { permanentSysctl, temporarySysctl } from '../../src/rules/sysctl-remedies.ts';

const pod = 'node-3@shop.web-0';
const words = { text: 'Longer queues', risk: 'Low' };
const changes = [{ key: 'net.core.somaxconn', value: '4096', previous: '128' }];
const ran = (node: string, argv: readonly string[]) => ({ entry: { node, argv } }) as unknown as Evidence;
const entered = entrances([
  ran('node-3', ['sysctl', 'net.core.somaxconn']),
  ran(pod, ['cat', '/proc/867/net/netstat']),
  ran(pod, ['nsenter', '--net=/proc/867/ns/net', '--', 'ss', '-lnt']),
  ran('node-4@x', ['nsenter', '--net=/proc/1/ns/net;reboot', '--', 'ss']),
]);
const finding = (...remedies: readonly Remedy[]) => ({ node: pod, remedies }) as unknown as Finding;
const after = (...remedies: readonly Remedy[]) =>
  remediesInNamespace(finding(...remedies), entered, engineText.en).remedies;

describe('remedies for a network namespace', () => {
  it('are commands for the node that it is on', () => {
    const [now] = after(temporarySysctl(pod, changes, words));
    expect(now?.commands).toEqual(['nsenter --net=/proc/867/ns/net sysctl -w net.core.somaxconn=4096']);
    expect(now?.undo).toEqual(['nsenter --net=/proc/867/ns/net sysctl -w net.core.somaxconn=128']);
  });

  it('are as they were for the node itself, and where nothing shows how to enter', () => {
    const own = temporarySysctl('node-3', changes, words);
    const unknown = temporarySysctl('node-4@x', changes, words);
    expect(after(own)).toEqual([own]);
    expect(after(unknown)).toEqual([unknown]);
  });

  it('never write a file of the node to make a setting of a pod last', () => {
    const both = [temporarySysctl(pod, changes, words), permanentSysctl(pod, 'x', changes, words)];
    const [, lasting] = after(...both);
    expect(lasting).toMatchObject({ kind: 'permanent', commands: [], undo: [] });
    expect(lasting?.text).toContain('net.core.somaxconn=4096');
    const manifest: Remedy = {
      ...words,
      kind: 'kubernetes',
      commands: [],
      undo: [],
      manifest: { file: 'x', yaml: '' },
    };
    expect(after(...both, manifest).map(({ kind }) => kind)).toEqual(['temporary', 'kubernetes']);
  });

  it('leave what a shell would take apart as it is', () => {
    const remedy: Remedy = { ...words, kind: 'temporary', node: pod, commands: ['tc qdisc show | grep x'], undo: [] };
    expect(after(remedy)).toEqual([remedy]);
  });
});
