import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { netns } from '../../src/collectors/netns.ts';
import { noContext } from '../../src/engine/no-context.ts';
import { podNetns, podPlace } from '../../src/model/netns.ts';
import { NetnsName } from '../../src/model/netns.ts';

const uid = '0c6dbb0a-4f1e-4a0e-9a58-2d1c7f3b4e61';
const container = 'a3f1'.repeat(16);

/** The script of the collector on a /proc of our own, as kubelets with both cgroup drivers fill it. */
describe('the look for a network namespace', () => {
  let proc = '';
  const process = (pid: number, cgroup: string, inode: number, startTicks = 4711): void => {
    const folder = path.join(proc, String(pid));
    mkdirSync(path.join(folder, 'ns'), { recursive: true });
    writeFileSync(path.join(folder, 'cgroup'), cgroup);
    writeFileSync(
      path.join(folder, 'stat'),
      `${pid} (a) b) S ${Array.from({ length: 18 }, (_, i) => i).join(' ')} ${startTicks} 0 0\n`,
    );
    symlinkSync(`net:[${inode}]`, path.join(folder, 'ns', 'net'));
  };
  const look = (name: string): string => {
    const [command] = netns.commands({ name }, noContext);
    const [shell = '', flag = '', script = '', ...rest] = command?.argv ?? [];
    return execFileSync(shell, [flag, script.replaceAll('/proc/', `${proc}/`), ...rest], { encoding: 'utf8' });
  };

  beforeAll(() => {
    proc = mkdtempSync(path.join(tmpdir(), 'netcheck-proc-'));
    process(1, '0::/init.scope\n', 4026531840);
    process(
      70,
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-${container}.scope\n`,
      4026532281,
    );
    process(80, `12:pids:/kubepods/besteffort/pod11111111-2222-3333-4444-555555555555/${'b'.repeat(64)}\n`, 4026532999);
  });
  afterAll(() => rmSync(proc, { recursive: true, force: true }));

  it('finds a pod by its uid, whichever driver named its cgroup', () => {
    expect(look(`pod${uid}`)).toBe('netns net:[4026532281] 70 4711 net:[4026531840]\n');
    expect(look('pod11111111-2222-3333-4444-555555555555')).toBe('netns net:[4026532999] 80 4711 net:[4026531840]\n');
  });

  it('takes the oldest process of a pod: those of a probe are gone before the run is over', () => {
    const own = 'pod22222222-2222-3333-4444-555555555555';
    process(9, `0::/kubepods/${own}/${'c'.repeat(64)}\n`, 4026532777, 90_000);
    process(90, `0::/kubepods/${own}/${'c'.repeat(64)}\n`, 4026532777, 8000);
    process(900, `0::/kubepods/${own}/${'d'.repeat(64)}\n`, 4026532777, 12_000);
    expect(look(own)).toBe('netns net:[4026532777] 90 8000 net:[4026531840]\n');
  });

  it('finds a container by its id, also a short one', () => {
    expect(look(container)).toContain(' 70 ');
    expect(look(container.slice(0, 12))).toContain(' 70 ');
  });

  it('says what is not there', () => {
    expect(() => look('pod99999999-2222-3333-4444-555555555555')).toThrow(/there is no network namespace/);
  });
});

describe('the name of a pod', () => {
  it('is a namespace only with the uid of a pod', () => {
    expect(podNetns(uid)).toBe(`pod${uid}`);
    expect(podNetns('a'.repeat(32))).toBe(`pod${'a'.repeat(32)}`);
    expect(podNetns('; reboot')).toBeNull();
    expect(NetnsName.safeParse(podNetns(uid)).success).toBe(true);
  });

  it('is fit for a directory, however long it is', () => {
    expect(podPlace('shop', 'cart-1')).toBe('shop.cart-1');
    for (const [namespace, name] of [
      ['n'.repeat(63), 'p'.repeat(253)],
      ['1', '2'],
    ] as const)
      expect(NetnsName.safeParse(podPlace(namespace, name)).success).toBe(true);
  });
});
