import { describe, expect, it } from 'vitest';
import { loopbackOnly as rule } from '../../src/rules/loopback-only.ts';
import { answered, capture, connection, judgeNode, listener, refused, sysctls } from './facts.ts';

const refusing = capture([refused()]);
const judge = (addresses: readonly string[], seen = refusing, extra: object = {}) =>
  judgeNode(rule, { facts: { listeners: addresses.map((address) => listener({ address })), capture: seen, ...extra } });

describe('loopback-only', () => {
  it('fires: only on 127.0.0.1 while connects are refused', () => {
    const found = judge(['127.0.0.1', '::1']);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      'port 1301 is listened on at 127.0.0.1 (loopback) (nginx), ::1 (loopback) (nginx) only, not at 10.51.2.2',
    );
    expect(found.said).toContain('1 connects to 10.51.2.2:1301 were answered by RST');
    expect(found.remedies[0]?.kind).toBe('application');
    expect(found.remedies[0]?.text).toContain('0.0.0.0');
  });

  it('fires: only on another address of the node', () => {
    expect(judge(['10.51.9.9']).verdict).toBe('confirmed');
  });

  it('fires: only likely for [::] that may be IPv6-only', () => {
    const found = judge(['::'], refusing, { sysctl: sysctls({ 'net.ipv6.bindv6only': '1' }) });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('net.ipv6.bindv6only = 1');
    expect(judge(['::']).verdict).toBe('likely');
    expect(judge(['::'], capture([connection()])).verdict).toBe('ruledOut');
  });

  it('fires: only likely where no connect was refused', () => {
    expect(judge(['127.0.0.1'], capture([connection()])).verdict).toBe('likely');
    expect(judge(['127.0.0.1'], capture([])).said).toContain('no connect to the port came in the window');
  });

  it('stays silent: a listener for the address, by any spelling', () => {
    for (const address of ['0.0.0.0', '10.51.2.2', '::ffff:10.51.2.2']) {
      const found = judge(['127.0.0.1', address]);
      expect(found.verdict, address).toBe('ruledOut');
      expect(found.said).toContain('accepts connections to 10.51.2.2');
    }
  });

  it('stays silent: nothing listens at all, or the connects are answered', () => {
    expect(judge([]).said).toContain('see port-closed');
    expect(judge([]).verdict).toBe('ruledOut');
    expect(judge(['127.0.0.1'], capture([answered()])).verdict).toBe('ruledOut');
  });

  it('missing evidence: the listeners', () => {
    expect(judgeNode(rule, { facts: { capture: refusing } }).verdict).toBe('unknown');
  });

  it('missing evidence: without a capture it is likely at most', () => {
    expect(judgeNode(rule, { facts: { listeners: [listener({ address: '127.0.0.1' })] } }).verdict).toBe('likely');
  });
});
