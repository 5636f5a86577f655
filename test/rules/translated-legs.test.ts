import { describe, expect, it } from 'vitest';
import { withoutTranslatedLegs } from '../../src/rules/translated-legs.ts';
import { connection, otherAddress } from './facts.ts';

const seen = (interfaceIndex: number, direction: 'in' | 'out') => ({
  syn: { sequence: 77, tsval: 900, sightings: [{ interfaceIndex, direction }] },
});
const pod = { address: '10.244.1.5', port: 8080 };
const way = ({ syns }: ReturnType<typeof connection>) =>
  syns.map(({ sightings }) => sightings.map(({ direction }) => direction).join(' '));

describe('withoutTranslatedLegs', () => {
  it('makes one of both sides of a translation, seen where both were seen', () => {
    const incoming = connection(seen(2, 'in'));
    const outgoing = connection({ ...seen(5, 'out'), server: pod, startMs: 1000.1 });
    const [one, ...more] = withoutTranslatedLegs([incoming, outgoing]);
    expect(more).toEqual([]);
    expect(one).toMatchObject({ client: incoming.client, server: incoming.server });
    expect(one && way(one)).toEqual(['in out', 'in out', 'in out']);
  });

  it('a SYN of which the copy did not go on says so', () => {
    const incoming = connection(seen(2, 'in'));
    const outgoing = connection({ ...seen(5, 'out'), server: pod, startMs: 2000, tries: 1 });
    const [one, ...more] = withoutTranslatedLegs([incoming, outgoing]);
    expect(more).toEqual([]);
    expect(one && way(one)).toEqual(['in', 'in out', 'in']);
  });

  it('leaves alone what is not the same packet: another number, another time, the same addresses', () => {
    const one = connection(seen(2, 'in'));
    expect(withoutTranslatedLegs([one, connection({ ...seen(5, 'out'), server: pod, startMs: 5000 })])).toHaveLength(2);
    expect(withoutTranslatedLegs([one, connection({ server: pod })])).toHaveLength(2);
    expect(withoutTranslatedLegs([one, { ...one }])).toHaveLength(2);
    expect(
      withoutTranslatedLegs([connection({ syns: [] }), connection({ syns: [], from: otherAddress })]),
    ).toHaveLength(2);
  });
});
