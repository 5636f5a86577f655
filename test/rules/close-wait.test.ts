import { describe, expect, it } from 'vitest';
import { closeWait as rule } from '../../src/rules/close-wait.ts';
import { at, judgeNode, listener, socket, symptom } from './facts.ts';

const waiting = (count: number, file = '06-sockets.out', first = 0) =>
  Array.from({ length: count }, (_, i) =>
    socket({ state: 'CLOSE-WAIT', peer: { address: '10.12.1.2', port: 30_000 + first + i }, at: at(file, i + 2) }),
  );
const before = (count: number) => waiting(count);
const after = (count: number, first = 0) => waiting(count, '19-sockets.out', first);
const process = (open: number) => [
  {
    pid: 4711,
    openFiles: { count: open, at: at('20-fd.out', 1) },
    limits: { 'Max open files': { soft: 1024, hard: 4096, at: at('20-limits.out', 9) } },
  },
];

describe('close-wait', () => {
  it('fires: a pile that lasts and grows', () => {
    const found = judgeNode(rule, { facts: { sockets: [...before(150), ...after(158)], listeners: [listener()] } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('150 connections to port 1301 were in CLOSE-WAIT before the window and still are');
    expect(found.said).toContain('8 more than before');
    expect(found.remedies.flatMap((r) => r.commands)).toEqual([]);
  });
  it('fires: a pile that does not grow is confirmed by the files it uses up, and likely without', () => {
    const sockets = [...before(600), ...after(600)];
    const found = judgeNode(rule, { facts: { sockets, listenerProcesses: process(640) } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('process 4711 has 640 of 1024 files open');
    expect(judgeNode(rule, { facts: { sockets } }).verdict).toBe('likely');
    expect(judgeNode(rule, { facts: { sockets: [...before(30), ...after(40)] } }).verdict).toBe('likely');
  });
  it('stays silent: they come and go, are few, or were never accepted', () => {
    expect(judgeNode(rule, { facts: { sockets: [...before(200), ...after(200, 5000)] } }).verdict).toBe('ruledOut');
    expect(judgeNode(rule, { facts: { sockets: [...before(3), ...after(3)] } }).verdict).toBe('ruledOut');
    expect(judgeNode(rule, { facts: { sockets: [] } }).verdict).toBe('ruledOut');
    const queue = [listener({ recvq: 129, sendq: 128 })];
    const queued = judgeNode(rule, { facts: { sockets: [...before(129), ...after(129)], listeners: queue } });
    expect(queued.verdict).toBe('ruledOut');
    expect(queued.said).toContain('slow accept()');
    const udp = judgeNode(rule, { facts: { sockets: before(500) }, symptom: symptom({ protocol: 'udp' }) });
    expect(udp.verdict).toBe('notApplicable');
  });
  it('missing evidence: the sockets, or a second look at them', () => {
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { sockets: before(500) } }).verdict).toBe('unknown');
  });
});
