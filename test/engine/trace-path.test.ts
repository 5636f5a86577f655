import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Report } from '../../src/model/report.ts';

const cases = path.join(import.meta.dirname, '../cases');
const reportOf = (name: string): Report =>
  Report.parse(JSON.parse(readFileSync(path.join(cases, name, 'report.json'), 'utf8')));

/** The golden reports hold what `tracePath` makes of recordings of real kernels; `test/cases` proves that they are fresh. */
describe('the way of the connects, on recorded runs', () => {
  it.each([
    ['ip-forward-off', 'r1', 'inside'],
    ['route-blackhole', 'r1', 'inside'],
    ['snat-port-exhaustion', 'r1', 'inside'],
    ['firewall-drop-raw-of-router', 'r1', 'inside'],
    ['host-off-behind-router', 'r1', 'refused'],
    ['path-drop', 'node-50', 'before'],
    ['tw-recycle', 'node-50', 'unanswered'],
    ['accept-queue-pod', 'node-50@web', 'unanswered'],
    ['port-closed', 'node-50', 'refused'],
    ['firewall-reject', 'node-50', 'refused'],
    ['firewall-reject-forward-reset', 'r1', 'refused'],
    ['rollout-refused', 'node-30', 'refusedBeyond'],
    ['rollout-silent', 'node-30', 'beyond'],
    ['asymmetric-routing', 'r1', 'answersLost'],
    ['firewall-drop-forward-answers', 'node-12', 'answersLost'],
  ] as const)('%s: they stop at %s (%s)', (name, node, how) => {
    expect(reportOf(name).path?.endsAt).toEqual({ node, how });
  });

  it('says nowhere that something stopped where every connect was made', () => {
    const names = readdirSync(cases, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []));
    const made = names.map((name) => reportOf(name).path).filter((one) => one !== undefined && !one.failed);
    expect(made.length).toBeGreaterThan(40);
    for (const one of made) expect(one?.endsAt).toBeUndefined();
  });

  it('says nothing of an end that not all of them share', () => {
    // a half of the connects is dropped on each of two nodes: nothing that holds for all of them
    expect(reportOf('pair-half-dropped-twice').path?.endsAt).toBeUndefined();
  });

  it('shows devices with their MTU, forwarding, and what a translation made of the address', () => {
    expect(reportOf('ip-forward-off').path?.hops).toEqual([
      { node: 'node-12', role: 'client', out: { device: 'eth0', mtu: 1500 }, connects: 8, sentOn: 8, answers: 0 },
      {
        node: 'r1',
        role: 'forwarder',
        in: { device: 'eth0', mtu: 1500 },
        forwards: false,
        connects: 8,
        sentOn: 0,
        answers: 0,
      },
      { node: 'node-50', role: 'target', connects: 0, answers: 0 },
    ]);
    expect(
      reportOf('ipvs-idle-reset').path?.hops.map(({ node, out, translatedTo }) => [node, out, translatedTo]),
    ).toEqual([
      ['node-2@app', { device: 'eth0', mtu: 1450 }, undefined],
      ['node-2', { device: 'tunl0', mtu: 1440 }, '10.244.3.2:8080'],
      ['node-3', { device: 'cali-web', mtu: 1450 }, '10.244.3.2:8080'],
    ]);
  });

  it('is not drawn where only one place captured', () => {
    expect(reportOf('no-tcpdump-path-drop').path).toBeUndefined();
    expect(reportOf('client-dark-firewall-drop').path).toBeUndefined();
  });
});
