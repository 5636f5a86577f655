import { describe, expect, it } from 'vitest';
import { hasKubeRules, kubeServiceFor, serviceName } from '../../src/rules/kube-service.ts';
import { firewall, firewallRule } from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';
import { cart, kubeMaps, kubeRules, podA, podB, stock } from './kube-facts.ts';

const endpoints = (found: ReturnType<typeof kubeServiceFor>) =>
  found?.backends.map(({ address, port, change }) => `${address}:${port} ${change}`);

describe('the backends of a Service', () => {
  it('are read from the chains of iptables mode, with the name of the Service', () => {
    const found = kubeServiceFor({ firewall: kubeRules() }, cart, 'tcp');
    expect(found).toMatchObject({ by: 'iptables', name: 'shop/cart:http' });
    expect(endpoints(found)).toEqual(['10.244.1.2:8080 none', '10.244.2.2:8080 none']);
  });
  it('are read for a NodePort on whatever address', () => {
    const found = kubeServiceFor({ firewall: kubeRules() }, { address: '10.51.2.2', port: 30170 }, 'tcp');
    expect(found).toMatchObject({ name: 'edge/ingress:http' });
    expect(endpoints(found)).toEqual(['10.244.3.9:80 none']);
  });
  it('are read from the maps of nftables mode', () => {
    const found = kubeServiceFor({ firewall: kubeMaps() }, { address: '172.30.0.41', port: 80 }, 'tcp');
    expect(found).toMatchObject({ by: 'nftables', name: 'ns1/svc1/tcp/p80' });
    expect(endpoints(found)).toEqual(['10.180.0.1:80 none']);
  });
  it('are read from IPVS, with weights', () => {
    const facts = {
      features: features(),
      ipvs: ipvs({ services: [service({ ...cart, servers: [podA, { ...podB, weight: 0 }] })] }),
    };
    expect(kubeServiceFor(facts, cart, 'tcp')?.backends.map(({ weight }) => weight)).toEqual([1, 0]);
  });
  it('tell what came and went between the two readings', () => {
    const left = kubeServiceFor(
      { firewall: kubeRules({ left: 'DNAT --to-destination 10.244.1.2:8080' }) },
      cart,
      'tcp',
    );
    expect(endpoints(left)?.sort()).toEqual(['10.244.1.2:8080 left', '10.244.2.2:8080 none']);
    const joined = kubeServiceFor({ firewall: kubeRules({ joined: '10.244.2.2:8080' }) }, cart, 'tcp');
    expect(endpoints(joined)?.sort()).toEqual(['10.244.1.2:8080 none', '10.244.2.2:8080 joined']);
  });
  it('are null for another port or protocol, without endpoints, and where a loop of chains leads nowhere', () => {
    expect(kubeServiceFor({ firewall: kubeRules() }, { ...cart, port: 81 }, 'tcp')).toBeNull();
    expect(kubeServiceFor({ firewall: kubeRules() }, cart, 'udp')).toBeNull();
    expect(kubeServiceFor({ firewall: kubeRules() }, stock, 'tcp')).toBeNull();
    expect(kubeServiceFor({}, cart, 'tcp')).toBeNull();
    const loop = firewall(
      firewallRule({
        table: 'nat',
        chain: 'KUBE-SERVICES',
        verdict: 'jump',
        jumpTo: 'KUBE-SVC-X',
        text: '-A KUBE-SERVICES -j KUBE-SVC-X',
        match: { protocol: 'tcp', destinations: ['10.96.0.20/32'], destinationPorts: [{ from: 80, to: 80 }] },
      }),
      firewallRule({ table: 'nat', chain: 'KUBE-SVC-X', verdict: 'jump', jumpTo: 'KUBE-SVC-X', text: 'loop' }),
    );
    expect(kubeServiceFor({ firewall: loop }, cart, 'tcp')?.backends).toEqual([]);
  });
  it('whether kube-proxy wrote anything, and names', () => {
    expect(hasKubeRules(kubeRules())).toBe(true);
    expect(hasKubeRules(kubeMaps())).toBe(true);
    expect(hasKubeRules(firewall(firewallRule()))).toBe(false);
    expect(serviceName('-m comment --comment "shop/cart:http has no local endpoints" -j DROP')).toBe('shop/cart:http');
    expect(serviceName('-m comment --comment web -j DROP')).toBeNull();
    expect(serviceName('ip kube-proxy map x tcp . 3001 comment "ns2/svc2:p80" : drop')).toBe('ns2/svc2:p80');
  });
});
