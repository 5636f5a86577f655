import { describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../src/model/fingerprint.ts';

describe('the fingerprint of a finding', () => {
  const symptom = { protocol: 'tcp', port: 1301 } as const;

  it('is the rule, the node and the port', () => {
    expect(fingerprintOf({ rule: 'tw-recycle', node: 'node-50' }, symptom)).toBe('tw-recycle/node-50/tcp/1301');
  });

  it('names both ends of a path, so that another client is another trouble', () => {
    const on = (from: string) =>
      fingerprintOf({ rule: 'path-drop', node: 'node-50', path: { from, to: 'node-50' } }, symptom);
    expect(on('node-12')).toBe('path-drop/node-12>node-50/tcp/1301');
    expect(on('node-13')).not.toBe(on('node-12'));
  });
});
