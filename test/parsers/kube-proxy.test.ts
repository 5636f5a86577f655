import { describe, expect, it } from 'vitest';
import { kubeProxy } from '../../src/parsers/kube-proxy.ts';
import { parseText, withoutAt } from './parse-text.ts';

describe('kube-proxy', () => {
  it('reads mode and health, with and without whether the node is eligible', () => {
    const text = `mode nftables 200
healthz {"lastUpdated": "2024-06-21 11:08:45.07 +0000 UTC m=+80.27","currentTime": "2024-06-21 11:08:45.07 +0000 UTC m=+80.27", "nodeEligible": true} 200
`;
    const { value, problems } = parseText(kubeProxy, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      mode: 'nftables',
      healthy: true,
      lastUpdated: '2024-06-21 11:08:45.07 +0000 UTC m=+80.27',
    });
  });

  it('reads a health of several lines, and one per address family', () => {
    const text = `healthz {
  "lastUpdated": "2026-01-19T10:32:02.137844334Z",
  "nodeEligible": true,
  "healthy": false,
  "status": { "IPv4": {"healthy": true}, "IPv6": {"healthy": false} }
}
 503
`;
    const { value, problems } = parseText(kubeProxy, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({ healthy: false, lastUpdated: '2026-01-19T10:32:02.137844334Z' });
  });

  it('nobody listens: looked, and there is none', () => {
    expect(withoutAt(parseText(kubeProxy, '').value)).toEqual({});
    expect(parseText(kubeProxy, '', { exitCode: 1 }).value).toBeUndefined();
  });

  it('says what is no answer: nobody there, another server, an unknown path', () => {
    for (const text of [
      'mode  000',
      'mode 404 page not found\n 404',
      'healthz <html>ok</html> 200',
      'mode ',
      'healthz ok 200',
    ])
      expect(parseText(kubeProxy, `${text}\n`).value, text).toBeUndefined();
    const { value, problems } = parseText(kubeProxy, 'mode 404 page not found\n 404\nhealthz {} 200\n');
    expect(withoutAt(value)).toEqual({ healthy: true });
    expect(problems).toEqual([{ message: 'not an answer of kube-proxy: mode 404 page not found 404', line: 1 }]);
  });
});
