import { describe, expect, it } from 'vitest';
import { ciliumNoBackend as rule } from '../../src/rules/cilium-no-backend.ts';
import { apiDown, askedService, cluster, kubeEndpoint } from './cluster-facts.ts';
import { answered, capture, judgePath, link, probe } from './facts.ts';

const refused = [probe({ outcome: 'notPermitted' }), probe({ outcome: 'notPermitted' })];
const links = [link({ name: 'cilium_host' })];
const judge = (client: object, more: object = {}) => judgePath(rule, { client, target: {}, ...more });

describe('cilium-no-backend', () => {
  it('fires: EPERM, nothing on the wire, and the Service has endpoints', () => {
    const found = judge({ probes: refused, links, capture: capture([]), cluster: cluster() });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1 of 1 endpoints of Service shop/cart are ready');
    expect(judge({ probes: refused, links, cluster: cluster() }, { language: 'zh' }).said).toContain('EPERM');
  });
  it('fires: likely without a capture, or without the API', () => {
    expect(judge({ probes: refused, links, cluster: cluster() }).verdict).toBe('likely');
    expect(judge({ probes: refused, links, capture: capture([]) }).verdict).toBe('likely');
    expect(judge({ probes: refused, links, capture: capture([answered()]), cluster: cluster() }).verdict).toBe(
      'likely',
    );
  });
  it('stays silent: no EPERM, no endpoint (Cilium is right), no Cilium', () => {
    expect(judge({ probes: [probe({ outcome: 'refused' })], links, cluster: cluster() }).verdict).toBe('ruledOut');
    const empty = cluster({ endpoints: [kubeEndpoint({ ready: false, serving: false })] });
    expect(judge({ probes: refused, links, capture: capture([]), cluster: empty }).verdict).toBe('ruledOut');
    expect(judge({ probes: refused, links: [link({ name: 'eth0' })] }).verdict).toBe('notApplicable');
  });
  it('missing evidence: no probes; the question names a Service and the API is down', () => {
    expect(judge({ links }).verdict).toBe('unknown');
    const found = judge({ probes: refused, links, cluster: apiDown }, { plan: askedService() });
    expect(found.missing[0]?.why).toContain('the connection is refused');
  });
});
