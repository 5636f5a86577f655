import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { questionOf, routeAlert } from '../../src/engine/alert-ask.ts';
import { parseAsk } from '../../src/engine/ask.ts';
import { AlertAsk, AlertSettings } from '../../src/model/alert-settings.ts';
import { NetcheckError } from '../../src/model/errors.ts';

const ask = (settings: unknown, labels: Readonly<Record<string, string>>): string =>
  questionOf({ labels }, AlertAsk.parse(settings));

describe('the question that an alert makes', () => {
  it.each([
    [{}, { instance: 'node-50:1301' }, 'node-50 port 1301'],
    [{}, { instance: '10.0.0.50:1301' }, '10.0.0.50 port 1301'],
    [{}, { instance: '[fd00::50]:1301' }, 'fd00::50 port 1301'],
    [{}, { instance: 'https://shop.example:8443/health?x=1' }, 'shop.example port 8443'],
    [{}, { instance: 'https://shop.example/health' }, 'shop.example port 443'],
    [{}, { instance: 'http://shop.example' }, 'shop.example port 80'],
    [{ port: 1301 }, { instance: 'node-50:9100' }, 'node-50 port 1301'],
    [{ port: { label: 'port' } }, { instance: 'node-50', port: '1301' }, 'node-50 port 1301'],
    [{ target: { label: 'node' }, port: 53, protocol: 'udp' }, { node: 'node-50' }, 'node-50 port 53 udp'],
    [
      { target: 'node-50', port: 1301, from: { label: 'source' } },
      { source: 'node-12:9115' },
      'node-50 port 1301 from node-12',
    ],
    [
      { port: 80, from: ['node-12', { label: 'source' }], via: 'node-30', playbook: 'port-check' },
      { instance: 'node-50', source: 'node-13' },
      'node-50 port 80 from node-12 from node-13 via node-30 playbook port-check',
    ],
    [
      { target: { kind: 'pod', label: 'pod' }, port: 8080 },
      { namespace: 'shop', pod: 'cart-7d9f' },
      'pod shop/cart-7d9f port 8080',
    ],
    [
      { target: { kind: 'svc', label: 'service', namespace: 'ns' }, port: 80 },
      { ns: 'shop', service: 'cart' },
      'svc shop/cart port 80',
    ],
  ])('%j with %j is "%s"', (settings, labels, question) => {
    expect(ask(settings, labels)).toBe(question);
    expect(() => parseAsk(question)).not.toThrow();
  });

  it.each([
    [{}, {}, 'no label "instance"'],
    [{}, { instance: '' }, 'no label "instance"'],
    [{}, { instance: 'node-50' }, 'Which port'],
    [{}, { instance: 'node-50:99999' }, 'is not a port'],
    [{ port: { label: 'port' } }, { instance: 'node-50', port: 'http' }, 'is not a port'],
    [{ port: { label: 'port' } }, { instance: 'node-50', port: '80 from node-66' }, 'no name, address or port'],
    [{}, { instance: 'node-50:80; reboot' }, 'no name, address or port'],
    [{}, { instance: '$(id):80' }, 'no name, address or port'],
    [{}, { instance: '-oProxyCommand=x:80' }, 'no name, address or port'],
    [{}, { instance: '<!channel>:80' }, 'no name, address or port'],
    [{}, { instance: 'https://user:secret@shop.example/' }, 'no name, address or port'],
    [{ target: { kind: 'pod', label: 'pod' }, port: 80 }, { pod: 'cart' }, 'no label "namespace"'],
    [{ target: { label: 'constructor' }, port: 80 }, {}, 'no label "constructor"'],
    [{ target: { label: '__proto__' }, port: 80 }, {}, 'no label "__proto__"'],
  ])('%j with %j is none: %s', (settings, labels, words) => {
    const asking = () => ask(settings, labels);
    expect(asking).toThrow(NetcheckError);
    expect(asking).toThrow(words);
  });

  it('holds nothing of a label but one name, address or port, whatever the label holds', () => {
    const settings = AlertAsk.parse({ port: { label: 'port' }, from: { label: 'source' } });
    const word = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(
        'node-50',
        'from',
        'via',
        'udp',
        'check',
        'netns',
        'playbook',
        'for',
        '20s',
        '10.0.0.1',
        '端口',
        '从node-1',
        'pod',
        ',',
      ),
      fc
        .array(
          fc.constantFrom('node-50', ' ', 'from', ':', '80', ',', '\n', '@', '/', '[', ']', 'port', '-o', '`', '；'),
          { maxLength: 8 },
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(word, word, word, (instance, port, source) => {
        let text: string;
        try {
          text = questionOf({ labels: { instance, port, source } }, settings);
        } catch (error) {
          return error instanceof NetcheckError && error.code.startsWith('ask/');
        }
        const symptom = parseAsk(text);
        return (
          symptom.from.length === 1 &&
          symptom.via.length === 0 &&
          symptom.words.length === 0 &&
          symptom.playbook === undefined &&
          symptom.watchMs === undefined &&
          symptom.protocol === 'tcp' &&
          String(symptom.port) === port &&
          /^[\w.:-]+ port \d+ from [\w.:-]+$/.test(text)
        );
      }),
      { numRuns: 400 },
    );
  });
});

describe('routes of alerts', () => {
  const settings = AlertSettings.parse({
    channel: 'C0DEFAULT',
    routes: [
      { match: { alertname: 'TargetDown', job: ['shop', 'cart-*'] }, channel: 'C0SHOP', ask: { port: 1301 } },
      { match: { severity: 'page' }, ask: { port: 22 } },
      { match: { severity: 'page', team: 'x' }, channel: 'C0NEVER' },
    ],
  });
  const route = (labels: Readonly<Record<string, string>>) =>
    routeAlert({ labels: { instance: 'node-50:9100', ...labels } }, settings);

  it('are tried in order; every label must match, one of several values, or its beginning', () => {
    expect(route({ alertname: 'TargetDown', job: 'cart-7' })).toEqual({
      channel: 'C0SHOP',
      question: { ok: true, text: 'node-50 port 1301' },
    });
    expect(route({ alertname: 'TargetDown', job: 'cart' })?.channel).toBe('C0DEFAULT');
    expect(route({ severity: 'page', team: 'x' })).toEqual({
      channel: 'C0DEFAULT',
      question: { ok: true, text: 'node-50 port 22' },
    });
    expect(route({})).toEqual({ channel: 'C0DEFAULT', question: { ok: true, text: 'node-50 port 9100' } });
  });

  it('may match a label that is not there by an empty value', () => {
    const without = AlertSettings.parse({ routes: [{ match: { silenced: '' }, channel: 'C0A1' }] });
    expect(routeAlert({ labels: { instance: 'node-50:1' } }, without)?.channel).toBe('C0A1');
    expect(routeAlert({ labels: { instance: 'node-50:1', silenced: 'yes' } }, without)).toBeUndefined();
  });

  it('say why there is no question, and drop what no channel wants', () => {
    expect(routeAlert({ labels: {} }, settings)).toMatchObject({
      channel: 'C0DEFAULT',
      question: { ok: false, message: 'The alert has no label "instance".' },
    });
    expect(routeAlert({ labels: {} }, AlertSettings.parse({}))).toBeUndefined();
  });

  it.each([
    { channel: '#incident' },
    { runsPerMinute: 0 },
    { routes: [{ chanel: 'C0SHOP' }] },
    { routes: [{ ask: { target: '{instance}' } }] },
    { routes: [{ ask: { target: { label: 'a b' } } }] },
    { routes: [{ ask: { from: ['node-12 port 5'] } }] },
    { routes: [{ ask: { port: 70_000 } }] },
  ])('that cannot be meant are mistakes: %j', (wrong) => {
    expect(AlertSettings.safeParse(wrong).success).toBe(false);
  });
});
