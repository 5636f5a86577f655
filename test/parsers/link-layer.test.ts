import { describe, expect, it } from 'vitest';
import { arping } from '../../src/parsers/arping.ts';
import { bridgeFdb } from '../../src/parsers/bridge-fdb.ts';
import { procNetArp } from '../../src/parsers/proc-net-arp.ts';
import { parseText, withoutAt } from './parse-text.ts';

describe('arping', () => {
  it('iputils: two owners of an address, requests that came by, an answer for somebody else', () => {
    const text = `ARPING 10.0.0.2 from 0.0.0.0 eth0
Unicast reply from 10.0.0.2 [52:54:00:12:34:56]  0.712ms
Broadcast request from 10.0.0.2 [52:54:00:AA:BB:CC] UNSOLICITED?
Unicast reply from 10.0.0.2 [52:54:00:12:34:56] for 10.0.0.9 [52:54:00:00:00:01]  0.801ms
Sent 2 probes (2 broadcast(s))
Received 3 response(s) (1 request(s), 1 broadcast(s))
`;
    expect(parseText(arping, text)).toMatchObject({
      value: { address: '10.0.0.2', macs: ['52:54:00:12:34:56', '52:54:00:aa:bb:cc'], sent: 2, received: 3 },
      problems: [],
    });
  });

  it('busybox: leading zeros that were left out come back', () => {
    const text = `ARPING to 10.0.0.2 from 0.0.0.0 via eth0
Unicast reply from 10.0.0.2 [2:0:a:0:0:5] 0.007ms
Sent 1 probe(s) (1 broadcast(s))
Received 1 reply (0 request(s), 0 broadcast(s))
`;
    expect(parseText(arping, text)).toMatchObject({
      value: { address: '10.0.0.2', macs: ['02:00:0a:00:00:05'], sent: 1, received: 1 },
      problems: [],
    });
  });

  it("Habets' arping: answers with addresses; with -D only marks, which do not say who answered", () => {
    const text = `ARPING 10.0.0.2
60 bytes from 52:54:00:12:34:56 (10.0.0.2): index=0 time=9.520 usec
Timeout

--- 10.0.0.2 statistics ---
2 packets transmitted, 1 packets received,  50% unanswered (0 extra)
rtt min/avg/max/std-dev = 0.009/0.009/0.009/0.000 ms
`;
    expect(parseText(arping, text)).toMatchObject({
      value: { address: '10.0.0.2', macs: ['52:54:00:12:34:56'], sent: 2, received: 1 },
      problems: [],
    });
    expect(parseText(arping, 'ARPING 10.0.0.2\n!!\n2 packets transmitted, 2 packets received\n').value).toBeUndefined();
    expect(
      parseText(arping, 'ARPING 10.0.0.2\n..\n2 packets transmitted, 0 packets received, 100% unanswered (0 extra)\n')
        .value,
    ).toMatchObject({ macs: [], sent: 2, received: 0 });
  });

  it('is nothing where the device could not be used', () => {
    const stderr = 'arping: Interface "eth9" is not ARPable\n';
    expect(parseText(arping, '', { stderr, exitCode: 2 }).value).toBeUndefined();
  });
});

describe('bridge-fdb', () => {
  it('reads bridges, VXLAN devices and self entries, of iproute 3.10 and 6', () => {
    const text = `33:33:00:00:00:01 dev eth0 self permanent
0a:58:0a:f4:00:05 dev veth1a2b vlan 1 master cni0 permanent
0a:58:0a:f4:00:06 dev veth1a2b master cni0
00:00:00:00:00:00 dev vxlan0 dst fd00::12 via eth0 self permanent
6e:2b:11:7f:ab:01 dev flannel.1 dst 192.168.7.12 self extern_learn
`;
    const { value, problems } = parseText(bridgeFdb, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { mac: '33:33:00:00:00:01', device: 'eth0', state: 'permanent' },
      { mac: '0a:58:0a:f4:00:05', device: 'veth1a2b', master: 'cni0', state: 'permanent' },
      { mac: '0a:58:0a:f4:00:06', device: 'veth1a2b', master: 'cni0' },
      { mac: '00:00:00:00:00:00', device: 'vxlan0', destination: 'fd00::12', state: 'permanent' },
      { mac: '6e:2b:11:7f:ab:01', device: 'flannel.1', destination: '192.168.7.12' },
    ]);
  });

  it('is an empty list where there is no entry, and nothing where there is no bridge(8)', () => {
    expect(parseText(bridgeFdb, '').value).toEqual([]);
    expect(parseText(bridgeFdb, '', { exitCode: 255 }).value).toBeUndefined();
  });
});

describe('proc-net-arp', () => {
  it('tells entries with an address, without one, and fixed ones', () => {
    const text = `IP address       HW type     Flags       HW address            Mask     Device
10.0.0.1         0x1         0x2         00:50:56:F3:2F:AE     *        eth0
10.0.0.2         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.3         0x1         0x6         00:50:56:00:00:03     *        br-lan.100
`;
    const { value, problems } = parseText(procNetArp, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { address: '10.0.0.1', device: 'eth0', mac: '00:50:56:f3:2f:ae', state: 'VALID' },
      { address: '10.0.0.2', device: 'eth0', state: 'INCOMPLETE' },
      { address: '10.0.0.3', device: 'br-lan.100', mac: '00:50:56:00:00:03', state: 'PERMANENT' },
    ]);
  });

  it('is an empty table where only the heading is there', () => {
    const heading = 'IP address       HW type     Flags       HW address            Mask     Device\n';
    expect(parseText(procNetArp, heading)).toEqual({ value: [], problems: [] });
  });
});
