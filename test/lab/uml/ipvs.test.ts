import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command } from '../network.ts';
import { type Guest, guestBlockers, startGuest } from './guest.ts';

const blockers = await guestBlockers();
const skipped = blockers.length === 0 ? '' : ` (skipped: ${blockers.join('; ')})`;
const cli = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const on = { name: 'guests', address: '10.99.0.1/24' };
const service = '10.99.0.88';

describe.skipIf(blockers.length > 0)(`IPVS over an IPIP tunnel, for real${skipped}`, () => {
  let director: Guest;
  let server: Guest;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    [director, server] = await Promise.all([
      startGuest({
        name: 'director',
        interfaces: [{ on, address: '10.99.0.2/24' }],
        modules: ['ip_vs', 'ip_vs_rr', 'ipip'],
        sysctls: { 'net.ipv4.ip_forward': '1' },
      }),
      startGuest({
        name: 'server',
        interfaces: [{ on, address: '10.99.0.3/24' }],
        modules: ['ipip'],
        // only the director answers for the address of the service
        sysctls: {
          'net.ipv4.conf.all.rp_filter': '0',
          'net.ipv4.conf.all.arp_ignore': '1',
          'net.ipv4.conf.all.arp_announce': '2',
        },
      }),
    ]);
    await director.exec(`ip addr add ${service}/32 dev eth0
ipvsadm -A -t ${service}:80 -s rr
ipvsadm -a -t ${service}:80 -r 10.99.0.3:80 -i`);
    // what greets by itself, and is there: another sshd
    await server.exec(`ip link set tunl0 up; ip addr add ${service}/32 dev tunl0
sysctl -q -w net.ipv4.conf.tunl0.rp_filter=0
grep -v ^ListenAddress /run/netcheck-lab/sshd_config > /run/open
$(command -v sshd) -E /run/log -p 80 -f /run/open
until grep -q 'Server listening' /run/log; do sleep 0.05; done`);
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all([director?.stop(), server?.stop()]);
  });

  test('a client gets through, and netcheck reads the live table', { timeout: 60_000 }, async () => {
    const socket = connect(80, service);
    sockets.push(socket);
    const [greeting] = (await once(socket, 'data')) as [Buffer];
    expect(greeting.toString()).toMatch(/^SSH-2\.0/);

    const file = join(tmpdir(), 'ipvsadm-lnc');
    await writeFile(file, (await director.exec('ipvsadm -Lnc')).stdout);
    const { stdout } = await command([process.execPath, cli, 'parse', 'ipvsadm-connections', file]);
    expect(JSON.parse(stdout)).toMatchObject({
      problems: [],
      facts: {
        connections: [
          {
            protocol: 'tcp',
            state: 'ESTABLISHED',
            source: { address: '10.99.0.1', port: socket.localPort },
            virtual: { address: service, port: 80 },
            destination: { address: '10.99.0.3', port: 80 },
          },
        ],
      },
    });
    const { stdout: received } = await server.exec('cat /sys/class/net/tunl0/statistics/rx_packets');
    expect(Number(received)).toBeGreaterThan(1);
  });
});
