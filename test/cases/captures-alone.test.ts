import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { judgeCapture } from '../../src/engine/judge-capture.ts';
import type { Finding } from '../../src/model/report.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { rules } from '../../src/rules/index.ts';

/** What the captures of recorded runs say by themselves, without anything else that is known of the nodes. */
const here = import.meta.dirname;
const cases = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

function judgeBytes(bytes: Uint8Array, stderr: Uint8Array | undefined, place: string, language: 'en' | 'zh' = 'en') {
  const analyser = createCaptureAnalyser({ evidence: place });
  analyser.push(bytes);
  return judgeCapture({ rules, capture: analyser.finish(stderr), place, language });
}

/** Rules that accuse, by name, over all captures of a run. */
async function accused(name: string): Promise<readonly string[]> {
  const { evidence } = await loadRun(path.join(here, name, 'run.tar.gz'));
  const captures = evidence.filter(({ entry }) => entry.kind === 'pcap');
  expect(captures.length).toBeGreaterThan(0);
  const findings = captures.flatMap(({ entry, stdout, stderr }) => judgeBytes(stdout, stderr, entry.node));
  expect(findings.filter(({ verdict }) => verdict === 'error')).toEqual([]);
  return [...new Set(accusing(findings).map(({ rule }) => rule))];
}

function accusing(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ verdict }) => verdict === 'confirmed' || verdict === 'likely');
}

const expected: Readonly<Record<string, readonly string[]>> = {
  'client-dark-firewall-drop': ['syn-unanswered'],
  'decoy-others-dropped': ['syn-unanswered'],
  'pair-half-dropped-twice': ['syn-unanswered'],
  'pair-rp-filter-input-drop': ['syn-unanswered'],
  'pod-client-tw-recycle': ['syn-unanswered'],
  'target-dark-port-closed': ['connect-refused'],
  'accept-queue-overflow': ['syn-unanswered'],
  'etp-local': ['syn-unanswered'],
  'dns-5s': ['dns-5s'],
  // packets alone know no kube-proxy
  'dns-cluster-down': ['dns-bad-nameserver'],
  'dns-dead-first-server': ['dns-bad-nameserver'],
  'dns-servfail': ['dns-bad-nameserver'],
  'firewall-drop-iptables': ['syn-unanswered'],
  'firewall-drop-nft': ['syn-unanswered'],
  // the client never sends a SYN: there is nothing to see for packets alone
  'firewall-output-drop': [],
  'firewall-reject': ['icmp-refused'],
  'forward-policy-drop': ['syn-unanswered'],
  'host-down-same-lan': [],
  'host-off-behind-router': ['icmp-refused'],
  'ip-forward-off': ['syn-unanswered'],
  'loopback-only': ['connect-refused'],
  'martian-local-source': ['syn-unanswered'],
  'no-route-back': ['syn-unanswered'],
  'nodeport-forward-drop': ['syn-unanswered'],
  'nodeport-forwarding-off': ['syn-unanswered'],
  'path-drop': ['syn-unanswered'],
  'port-closed': ['connect-refused'],
  'report-0': ['syn-unanswered'],
  'report-1': ['syn-unanswered'],
  'rollout-hung': ['syn-unanswered'],
  'rollout-no-route': ['icmp-refused'],
  'rollout-refused': ['connect-refused'],
  // that the sender had no such connection is seen; why not, only the nodes tell
  'rollout-reset': ['rst-on-close'],
  'rollout-silent': ['syn-unanswered'],
  'route-blackhole': ['syn-unanswered'],
  'route-unreachable': [],
  'rp-filter-drop': ['syn-unanswered'],
  'syn-queue-overflow': ['syn-unanswered'],
  'tw-recycle': ['syn-unanswered'],
  'vxlan-fdb-missing': ['syn-unanswered'],
  'accept-queue-pod': ['syn-unanswered'],
  'asymmetric-routing': ['syn-unanswered'],
  'bad-checksum': ['syn-unanswered'],
  'challenge-ack': ['half-open-peer'],
  'dead-next-hop-back': ['syn-unanswered'],
  'firewall-drop-forward-answers': ['syn-unanswered'],
  'firewall-drop-legacy': ['syn-unanswered'],
  'firewall-drop-nft-output-of-target': ['syn-unanswered'],
  'firewall-drop-raw-of-router': ['syn-unanswered'],
  'firewall-reject-forward-reset': ['connect-refused'],
  'frag-needed-ignored': ['mtu-blackhole', 'frag-needed-ignored', 'sightings-stop'],
  'mtu-black-hole': ['mtu-blackhole', 'sightings-stop'],
  'nagle-delayed-ack': ['nagle-delack'],
  'no-route-back-router': ['syn-unanswered'],
  'port-range-overlap': ['connect-refused'],
  'reset-on-close': ['rst-on-close'],
  'rst-injected': ['rst-injected'],
  'snat-port-exhaustion': ['syn-unanswered'],
  'zero-window': ['zero-window'],
  'zero-window-older': ['zero-window'],
  'conntrack-insert-race': ['syn-unanswered'],
  // what is left out of the answer is seen only by who also saw it leave; the clients of this one end with RST
  'window-scale-one-way': ['rst-on-close'],
  // the director resets in the name of the service; that it had forgotten, only its own table tells
  'ipvs-idle-reset': ['rst-injected', 'rst-on-close'],
  'tunnel-mtu-blackhole': ['mtu-blackhole', 'frag-needed-ignored'],
  'hairpin-off': ['syn-unanswered'],
  'k8s-report-3a-svc': ['syn-unanswered'],
  // kube-proxy rejects what goes to a Service without servers
  'k8s-iptables-empty': ['icmp-refused'],
};

describe('captures of recorded runs, by packets alone', () => {
  it.each(Object.entries(expected))('%s: the rule that fits, and no other', async (name, rulesThatFit) => {
    expect(await accused(name)).toEqual(rulesThatFit);
  });

  it.each(cases.filter((name) => !(name in expected)))('%s: healthy, so nothing is accused', async (name) => {
    expect(await accused(name)).toEqual([]);
  });
});

const shared = path.join(here, '..', '..', '..', 'shared', 'captures');
const recordings: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['f34-zero-window.pcap', { 'zero-window': 'confirmed' }],
  ['f40-mtu-blackhole-ingress.pcap', { 'mtu-blackhole': 'likely' }],
  ['linux-4.9/01c-when-syns-pass/guest-eth0.pcap', { 'tw-recycle-suspected': 'likely', 'syn-unanswered': 'likely' }],
  ['linux-4.9/02-modern-clients/guest-eth0.pcap', { 'tw-recycle-suspected': 'likely', 'syn-unanswered': 'likely' }],
  // silent for 35 s, then a RST of the director in the name of the service
  ['linux-4.9/03-ipvs/client-n0.pcap', { 'rst-injected': 'likely' }],
  ['linux-4.9/03-ipvs/rs-rs0.pcap', {}],
];

const absent = existsSync(shared) ? '' : ' (skipped: ../shared/captures is not here)';

describe.skipIf(absent !== '')(`shared recordings, by packets alone${absent}`, () => {
  it.each(recordings)('%s', (file, verdicts) => {
    const findings = judgeBytes(readFileSync(path.join(shared, file)), undefined, file);
    expect(Object.fromEntries(accusing(findings).map(({ rule, verdict }) => [rule, verdict]))).toEqual(verdicts);
  });

  it('say the same in Chinese', () => {
    const file = 'f40-mtu-blackhole-ingress.pcap';
    const bytes = readFileSync(path.join(shared, file));
    const [english, chinese] = (['en', 'zh'] as const).map((language) => judgeBytes(bytes, undefined, file, language));
    expect(chinese?.map(({ rule, verdict }) => [rule, verdict])).toEqual(
      english?.map(({ rule, verdict }) => [rule, verdict]),
    );
    for (const { title, because } of chinese ?? [])
      for (const text of [title, ...because.map((one) => one.text)]) expect(text).toMatch(/[\u4e00-\u9fff]/);
  });

  it('public captures: no rule fails on any of them', () => {
    const files = readdirSync(path.join(shared, 'public'), { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.(?:pcap|pcapng)$/.test(file),
    );
    expect(files.length).toBeGreaterThan(500);
    const failed = files.flatMap((file) =>
      judgeBytes(readFileSync(path.join(shared, 'public', file)), undefined, file).filter(
        ({ verdict }) => verdict === 'error',
      ),
    );
    expect(failed).toEqual([]);
    // hundreds of files: some seconds on a machine that does other things too
  }, 60_000);
});
