import { describe, expect, it } from 'vitest';
import { fdExhaustion as rule } from '../../src/rules/fd-exhaustion.ts';
import { at, counters, judgeNode, listener } from './facts.ts';

const process = (open: number, soft: number | null = 1024, pid = 4711) => ({
  pid,
  openFiles: { count: open, at: at('20-fd.out', 1) },
  limits: { 'Max open files': { soft, hard: soft === null ? null : 4096, at: at('20-limits.out', 9) } },
});
const stuck = [listener({ recvq: 12 })];

describe('fd-exhaustion', () => {
  it('fires: all files are open, and connections wait for accept()', () => {
    const found = judgeNode(rule, {
      facts: {
        listeners: stuck,
        listenerProcesses: [process(10, 1024, 4000), process(1024)],
        counters: counters({ 'TcpExt.ListenOverflows': 4 }),
      },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('process 4711 has 1024 of 1024 files open (100 %)');
    expect(found.said).toContain('12 connections wait in the accept queue');
    expect(found.said).toContain('ListenOverflows +4');
    expect(found.remedies[0]).toMatchObject({
      commands: ['prlimit --pid 4711 --nofile=65536:65536'],
      undo: ['prlimit --pid 4711 --nofile=1024:4096'],
    });
  });
  it('fires: only likely while nobody waits', () => {
    const facts = { listeners: [listener()], listenerProcesses: [process(1000)] };
    expect(judgeNode(rule, { facts }).verdict).toBe('likely');
  });
  it('stays silent: files are left, there is no limit, or nothing listens', () => {
    const silent = (one: ReturnType<typeof process>) =>
      judgeNode(rule, { facts: { listeners: stuck, listenerProcesses: [one] } }).verdict;
    expect(silent(process(900))).toBe('ruledOut');
    expect(silent(process(900_000, null))).toBe('ruledOut');
    const closed = judgeNode(rule, { facts: { listeners: [], listenerProcesses: [process(1024)] } });
    expect(closed.verdict).toBe('notApplicable');
  });
  it('missing evidence: listeners, the process, or one half of it', () => {
    expect(judgeNode(rule, { facts: { listenerProcesses: [process(1024)] } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { listeners: stuck } }).verdict).toBe('unknown');
    const half = [{ pid: 4711, openFiles: { count: 1024, at: at('20-fd.out', 1) } }];
    expect(judgeNode(rule, { facts: { listeners: stuck, listenerProcesses: half } }).verdict).toBe('unknown');
  });
});
