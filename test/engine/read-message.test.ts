import { describe, expect, it } from 'vitest';
import { parseAsk } from '../../src/engine/ask.ts';
import { type MessageReading, mergeReadings, questionOf, readMessage } from '../../src/engine/read-message.ts';

const owners: Readonly<Record<string, string>> = {
  '192.0.2.50': 'node-50',
  '10.51.2.2': 'node-50',
  '192.0.2.12': 'node-12',
};
const known = {
  nodes: ['node-5', 'node-12', 'node-30', 'node-50', 'node-51', 'web', 'db1.prod'],
  nodeAt: (address: string) => owners[address],
  symptoms: ['timeout', 'timed out', 'refused', 'packet loss', '超时', '连不上'],
};
const read = (text: string) => readMessage(text, known);
const asked = (text: string): string => {
  const reading = read(text);
  const [target = '', port = 0] = [reading.targets[0], reading.ports[0]];
  expect([reading.targets.length, reading.ports.length]).toEqual([1, 1]);
  const question = questionOf(reading, target, port);
  expect(parseAsk(question)).toMatchObject({ port });
  return question;
};

describe('alerts as they are posted', () => {
  it.each([
    [
      'Alertmanager, default text',
      '[FIRING:1] ServicePortDown\n*Alert:* port is down - `critical`\n*Description:* TCP connect to node-50 port 1301 from node-12 timed out\n*Details:*\n • *alertname:* `ServicePortDown`\n • *instance:* `192.0.2.50:9100`\n • *job:* `node`',
      'node-50 port 1301 from node-12 timed out',
    ],
    [
      'Alertmanager, blackbox probe',
      '[FIRING:1] ProbeFailed (10.51.2.2:1301 blackbox prod critical)\nprobe of instance 10.51.2.2:1301 failed',
      '10.51.2.2 port 1301',
    ],
    [
      'PagerDuty',
      '*Triggered* <https://acme.pagerduty.com/incidents/Q1ABC2DEF3|#4711 node-50: port 1301 refused>\n*Service:* <https://acme.pagerduty.com/services/PXYZ|checkout>\n*Assigned to:* Anna\nUrgency High',
      'node-50 port 1301 refused',
    ],
    [
      'Opsgenie',
      '<https://acme.app.opsgenie.com/alert/detail/1f2e-1700000000000/details|#8812>: [Prometheus] node-12 cannot reach node-50:1301\nPriority P2\nTags host:node-50, port:1301',
      'node-50 port 1301 from node-12',
    ],
    [
      'Grafana',
      '**Firing**\nValue: A=1\nLabels:\n - alertname = TcpDown\n - instance = db1.prod.example.net:5432\nSource: http://192.0.2.12:3000/alerting/grafana/x/view\nSilence: http://192.0.2.12:3000/alerting/silence/new',
      'db1.prod port 5432',
    ],
    [
      'Datadog',
      'Triggered: TCP check is failing on host:node-50\n`tcp_check` timed out, port:1301, client:node-12\n<https://app.datadoghq.com/monitors/123|Monitor>',
      'node-50 port 1301 from node-12 timed out',
    ],
    ['an exporter that is down', 'TargetDown: instance=node-51:9100 is down', 'node-51 port 9100'],
    ['a web address', 'GET https://node-50.example.net/healthz failed', 'node-50 port 443'],
    ['a flow', 'drop 192.0.2.12:43122 -> 10.51.2.2:1301 SYN', '10.51.2.2 port 1301 from 192.0.2.12'],
    ['IPv6', 'dial tcp [2001:db8::5]:8443: i/o timeout', '2001:db8::5 port 8443 timeout'],
  ])('%s', (_name, message, question) => {
    expect(asked(message)).toBe(question);
  });
});

describe('what people write', () => {
  it.each([
    ['node-12 cannot reach node-50 on port 1301, it times out', 'node-50 port 1301 from node-12'],
    [
      'can somebody look? node-12, node-30 -> node-50:1301 refused',
      'node-50 port 1301 from node-12 from node-30 refused',
    ],
    ['from node-12 to node-50 via node-30, udp port 53', 'node-50 port 53 from node-12 via node-30 udp'],
    ['port 1301 on node-50 is slow since 12:30:45', 'node-50 port 1301'],
    ['node-12 访问 node-50 的 1301 端口超时', 'node-50 port 1301 from node-12 超时'],
    ['从node-12连不上node-50端口1301', 'node-50 port 1301 from node-12 连不上'],
    ['节点：node-50，端口：1301，客户端：node-12', 'node-50 port 1301 from node-12'],
    ['node-12 到 10.51.2.2 的 tcp/1301 不通', '10.51.2.2 port 1301 from node-12'],
    ['NODE-50 port 1301', 'node-50 port 1301'],
    ['the pod shop/cart-7d9f does not answer on port 8080', 'pod shop/cart-7d9f port 8080'],
    ['pod="cart-7d9f" namespace="shop" port=8080', 'pod shop/cart-7d9f port 8080'],
  ])('%s', (message, question) => {
    expect(asked(message)).toBe(question);
  });

  it('says when it could be one or the other', () => {
    expect(read('node-50 and node-51 are down, port 1301')).toMatchObject({
      targets: ['node-50', 'node-51'],
      ports: [1301],
    });
    expect(read('node-50 ports 80 and 443')).toMatchObject({ targets: ['node-50'], ports: [80, 443] });
    expect(read('node-50 (192.0.2.50) port 80').targets).toEqual(['node-50']);
  });

  it.each([
    '',
    'everything is slow',
    'version 10.2 of the app, 12:30:45, order 12345',
    'see 127.0.0.1:80 and 10.0.0.0/24',
    'https://grafana.example.net/d/abc?port=1301',
    'node-99 port',
  ])('finds no question in %j', (text) => {
    const { targets, ports } = read(text);
    expect(targets.length * ports.length).toBe(0);
  });

  it('does not take a part of a name for a name', () => {
    expect(read('node-501 and my-web-server port 80').targets).toEqual([]);
  });

  it('does not take the port of the client', () => {
    expect(read('node-50 port 1301, source port 43122').ports).toEqual([1301]);
  });
});

it('lets nothing of a message through but names, addresses and numbers', () => {
  const hostile =
    'node-50;rm -rf / port 1301 from $(reboot) `id` <!channel> -oProxyCommand=x pod ../../etc/passwd1\u202e';
  expect(asked(hostile)).toBe('node-50 port 1301');
});

it('reads a huge message in no time worth speaking of, and only its beginning', () => {
  for (const piece of ['node-50:1301 ', 'a-', '[', '1.', ':', 'pod a/', 'port 1 ', '<http://', '`*_'])
    expect(read(`${piece.repeat(100_000)}\nnode-51 port 2`).targets).not.toContain('node-51');
  expect(read('node-50 '.repeat(1000)).targets).toEqual(['node-50']);
});

it('puts what the person says before what the message says', () => {
  const quoted = read('node-50 port 1301 from node-12 refused');
  const own = read('port 1302');
  const merged: MessageReading = mergeReadings(own, quoted);
  expect(questionOf(merged, merged.targets[0] ?? '', merged.ports[0] ?? 0)).toBe(
    'node-50 port 1302 from node-12 refused',
  );
  expect(mergeReadings(read('to node-12'), quoted)).toMatchObject({ targets: ['node-12'], from: [] });
});
