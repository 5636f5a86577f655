import { describe, expect, it } from 'vitest';
import { podSysctls, podSysctlText } from '../../src/rules/pod-sysctls.ts';

describe('podSysctls', () => {
  it('says which are safe, since when, and what the unsafe ones need', () => {
    const remedy = podSysctls(
      [
        { key: 'net.ipv4.tcp_syncookies', value: '1' },
        { key: 'net.core.somaxconn', value: '4096' },
        { key: 'net.ipv4.tcp_max_syn_backlog', value: '8192' },
      ],
      podSysctlText.en,
    );
    expect(remedy.kind).toBe('kubernetes');
    expect(remedy.text).toBe(
      'For a pod: securityContext.sysctls with net.ipv4.tcp_syncookies="1", net.core.somaxconn="4096", net.ipv4.tcp_max_syn_backlog="8192"; net.ipv4.tcp_syncookies is a safe sysctl from kernel 4.6 on; unsafe: the kubelet of every node that may run it needs --allowed-unsafe-sysctls=net.core.somaxconn,net.ipv4.tcp_max_syn_backlog, or a privileged initContainer sets it with sysctl -w. Pods with hostNetwork have the settings of the node',
    );
  });

  it('gives the command with the values, and the way back', () => {
    const { commands, undo, text } = podSysctls(
      [{ key: 'net.ipv4.ip_local_port_range', value: '1024 65535' }],
      podSysctlText.zh,
    );
    expect(commands).toEqual([
      `kubectl -n NAMESPACE patch deployment NAME -p '{"spec":{"template":{"spec":{"securityContext":{"sysctls":[{"name":"net.ipv4.ip_local_port_range","value":"1024 65535"}]}}}}}'`,
    ]);
    expect(undo).toEqual(['kubectl -n NAMESPACE rollout undo deployment NAME']);
    expect(text).toContain('net.ipv4.ip_local_port_range 是安全 sysctl');
  });
});
