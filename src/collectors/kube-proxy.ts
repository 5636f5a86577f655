import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/**
 * Asked over loopback, where kube-proxy answers anybody (--metrics-bind-address, --healthz-bind-address). Nothing is
 * asked where nobody listens. One line each: `mode TEXT`, `healthz STATUS BODY`.
 */
const script = `get() {
if command -v curl >/dev/null 2>&1; then curl -s -m 2 -w ' %{http_code}' "http://127.0.0.1:$1$2" 2>/dev/null
elif command -v wget >/dev/null 2>&1; then wget -q -T 2 -O - "http://127.0.0.1:$1$2" 2>/dev/null && echo ' 200'
fi
}
listens() { grep -q -i -E "^ *[0-9]+: [0-9A-F]+:$1 [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null; }
if listens 2809; then echo "mode $(get 10249 /proxyMode)"; fi
if listens 2810; then echo "healthz $(get 10256 /healthz)"; fi
exit 0`;

export const kubeProxy = defineCollector({
  id: 'kube-proxy',
  purpose: 'mode and health of kube-proxy, where it runs (asked over loopback)',
  params: z.strictObject({}),
  when: 'once',
  provides: ['kubeProxy'],
  commands: () => [
    {
      argv: ['sh', '-c', script, 'kube-proxy'],
      privilege: 'none',
      timeoutMs: 8000,
      maxBytes: 65_536,
      kind: 'kube-proxy',
    },
  ],
});
