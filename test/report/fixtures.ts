import type { EvidenceEntry } from '../../src/model/evidence.ts';
import type { Plan } from '../../src/model/plan.ts';
import type { Finding, Report } from '../../src/model/report.ts';
import type { ExplainStep } from '../../src/report/explain.ts';

// Reports made by hand, after the field reports and the numbers of the recorded 4.9 kernel.

const startedAtMs = Date.UTC(2026, 9, 17, 2, 39, 1, 250);

const entry = (
  node: string,
  number: string,
  collector: string,
  argv: readonly string[],
  more: Partial<EvidenceEntry> & { readonly atMs: number; readonly tookMs: number },
): EvidenceEntry => {
  const { atMs, tookMs, ...rest } = more;
  return {
    id: `${number}-${collector}`,
    node,
    collector,
    phase: 'once',
    kind: collector,
    argv: [...argv],
    privilege: 'none',
    startedAtMs: startedAtMs + atMs,
    endedAtMs: startedAtMs + atMs + tookMs,
    exit: { how: 'exited', code: 0 },
    out: `evidence/${node}/${number}-${collector}.out`,
    outBytes: 812,
    errBytes: 0,
    ...rest,
  };
};

const ruledOut = (rule: string, title: string, text: string, evidence: string, line?: number): Finding => ({
  rule,
  verdict: 'ruledOut',
  node: 'node-50',
  title,
  because: [{ text, evidence, ...(line === undefined ? {} : { line }) }],
  remedies: [],
  missing: [],
});

const counters = 'evidence/node-50/06-counters.out';
const captureTarget = 'evidence/node-50/07-capture.pcap';

/** Field report 0: tw_recycle on node-50, eight false leads ruled out, one thing not seen. */
export const fieldReport0: Report = {
  schema: 'netcheck/report/1',
  run: {
    id: '2026-10-17T023901-k7qd',
    startedAt: '2026-10-17T02:39:01.250Z',
    playbooks: ['connect'],
    language: 'en',
    netcheck: '0.1.0',
  },
  verdict: 'found',
  headline:
    'node-50 silently drops connections whose TCP timestamp went backwards, because net.ipv4.tcp_tw_recycle is on.',
  symptom: {
    text: 'node-50 port 1301 from node-12',
    target: { kind: 'node', node: 'node-50' },
    port: 1301,
    protocol: 'tcp',
    from: [{ kind: 'node', node: 'node-12' }],
    via: [],
    words: [],
  },
  nodes: [
    {
      name: 'node-50',
      roles: ['target'],
      address: '172.16.0.50',
      kernel: '3.10.0-957.el7.x86_64',
      clockOffsetMs: 12.4,
    },
    {
      name: 'node-12',
      roles: ['client'],
      address: '172.16.0.12',
      kernel: '4.19.12-1.el7.elrepo.x86_64',
      clockOffsetMs: -3,
    },
  ],
  findings: [
    {
      rule: 'tw-recycle',
      verdict: 'confirmed',
      node: 'node-50',
      title: 'tcp_tw_recycle drops SYNs by their timestamp',
      because: [
        {
          text: 'net.ipv4.tcp_tw_recycle = 1 and net.ipv4.tcp_timestamps = 1.',
          evidence: 'evidence/node-50/03-sysctl.out',
          line: 2,
        },
        {
          text: 'TcpExt.PAWSPassive rose by 7 while netcheck probed (103 → 110), and TcpExt.ListenDrops by the same 7.',
          evidence: counters,
          line: 4,
        },
        {
          text: '3 of 8 connection attempts from 172.16.0.12 got no SYN+ACK; every one of them carried a TSval below 82927, which node-50 had remembered of that address 6 s before.',
          evidence: 'evidence/node-50/05-tcp-metrics.out',
          line: 1,
        },
      ],
      remedies: [
        {
          kind: 'permanent',
          node: 'node-50',
          commands: [
            "printf '%s\\n' 'net.ipv4.tcp_tw_recycle = 0' > /etc/sysctl.d/90-no-tw-recycle.conf",
            'sysctl --system',
          ],
          undo: ['rm /etc/sysctl.d/90-no-tw-recycle.conf'],
          risk: 'Low. A line in /etc/sysctl.conf that sets it to 1 again must go too.',
        },
        {
          kind: 'temporary',
          node: 'node-50',
          text: 'Switch it off. It works at once, nothing has to be restarted.',
          commands: ['sysctl -w net.ipv4.tcp_tw_recycle=0'],
          undo: ['sysctl -w net.ipv4.tcp_tw_recycle=1'],
          risk: 'Low. More sockets stay in TIME-WAIT (now: 41).',
        },
        {
          kind: 'kubernetes',
          text: 'Where the node is built from an image or tuned by a DaemonSet, set it there, or the next node has it again.',
          commands: [],
          undo: [],
          risk: '',
        },
      ],
      missing: [],
    },
    ruledOut(
      'accept-queue-overflow',
      'Accept queue overflow',
      'TcpExt.ListenOverflows did not move (0 → 0); Recv-Q 0 of 511.',
      counters,
      4,
    ),
    ruledOut('syn-queue-overflow', 'SYN queue overflow', 'TcpExt.TCPReqQFullDrop did not move (0 → 0).', counters, 4),
    ruledOut(
      'fw-input-drop',
      'Firewall drops on input',
      'No DROP rule that matches tcp/1301 counted a packet (7 rules looked at).',
      'evidence/node-50/09-firewall.out',
    ),
    ruledOut('fw-reject', 'Firewall rejects', 'No ICMP error and no RST answered a SYN (8 SYNs).', captureTarget),
    ruledOut(
      'port-closed',
      'Nothing listens on the port',
      'nginx listens on 0.0.0.0:1301.',
      'evidence/node-50/04-listeners.out',
      6,
    ),
    ruledOut(
      'loopback-only',
      'Listens on loopback only',
      'nginx listens on 0.0.0.0:1301.',
      'evidence/node-50/04-listeners.out',
      6,
    ),
    {
      ...ruledOut('path-drop', 'Lost on the way', 'All 14 SYNs that left node-12 arrived at node-50.', captureTarget),
      path: { from: 'node-12', to: 'node-50' },
    },
    ruledOut(
      'neigh-failed',
      'No answer to ARP',
      'Neighbour 172.16.0.1 is REACHABLE.',
      'evidence/node-50/08-neighbours.out',
      1,
    ),
    {
      rule: 'ip-forward-off',
      verdict: 'notApplicable',
      node: 'node-50',
      title: 'IP forwarding is off',
      because: [
        {
          text: '172.16.0.50 is an address of node-50 itself: nothing is forwarded.',
          evidence: 'evidence/node-50/02-route-get.out',
          line: 1,
        },
      ],
      remedies: [],
      missing: [],
    },
    {
      rule: 'conntrack-full',
      verdict: 'unknown',
      node: 'node-50',
      title: 'Connection tracking table is full',
      because: [],
      remedies: [],
      missing: [{ fact: 'conntrackStats', node: 'node-50', why: 'skipped: would load nf_conntrack' }],
    },
  ],
  unseen: [],
  ladder: {
    client: '172.16.0.12 (node-12)',
    target: '172.16.0.50:1301 (node-50)',
    capturedOn: 'node-50',
    evidence: captureTarget,
    steps: [
      { atMs: 0, from: 'client', label: 'SYN tsval 4204576154', fate: 'answered' },
      { atMs: 0.2, from: 'target', label: 'SYN+ACK', fate: 'seen' },
      { atMs: 0.5, from: 'client', label: 'ACK', fate: 'seen' },
      { atMs: 214, from: 'client', label: 'SYN tsval 357780661', fate: 'unanswered' },
      { atMs: 1240, from: 'client', label: 'SYN again tsval 357781687', fate: 'unanswered' },
      { atMs: 3256, from: 'client', label: 'SYN again tsval 357783703', fate: 'unanswered' },
    ],
  },
  evidence: [
    entry('node-50', '01', 'look', ['sh', '-c', 'uname -r; date +%s.%N'], { atMs: 480, tookMs: 31, phase: 'look' }),
    entry('node-12', '01', 'look', ['sh', '-c', 'uname -r; date +%s.%N'], { atMs: 470, tookMs: 44, phase: 'look' }),
    entry('node-50', '02', 'route-get', ['ip', 'route', 'get', '172.16.0.12'], { atMs: 530, tookMs: 12, outBytes: 96 }),
    entry(
      'node-50',
      '03',
      'sysctl',
      ['sysctl', 'net.ipv4.tcp_tw_recycle', 'net.ipv4.tcp_timestamps', 'net.core.somaxconn'],
      {
        atMs: 550,
        tookMs: 9,
        outBytes: 88,
      },
    ),
    entry('node-50', '04', 'listeners', ['ss', '-lntH'], { atMs: 570, tookMs: 14 }),
    entry('node-50', '05', 'tcp-metrics', ['ip', 'tcp_metrics', 'show'], { atMs: 590, tookMs: 8, outBytes: 140 }),
    entry('node-50', '06', 'counters', ['cat', '/proc/net/snmp', '/proc/net/netstat'], {
      atMs: 610,
      tookMs: 7,
      phase: 'before',
      outBytes: 4812,
    }),
    entry(
      'node-50',
      '07',
      'capture',
      ['tcpdump', '-i', 'any', '-nn', '-s', '160', '-U', '-w', '-', 'host 172.16.0.12 and tcp port 1301 or icmp[0]=3'],
      {
        atMs: 640,
        tookMs: 4310,
        phase: 'during',
        privilege: 'root',
        out: captureTarget,
        outBytes: 2890,
        errBytes: 118,
        exit: { how: 'stopped', why: 'enough' },
      },
    ),
    entry('node-12', '02', 'probe', ['sh', '-c', 'exec 3<>/dev/tcp/172.16.0.50/1301'], {
      atMs: 900,
      tookMs: 4020,
      phase: 'during',
      outBytes: 410,
    }),
    entry('node-50', '08', 'neighbours', ['ip', 'neigh', 'show'], {
      atMs: 4980,
      tookMs: 11,
      phase: 'after',
      outBytes: 210,
    }),
    entry('node-50', '09', 'firewall', ['iptables-save', '-c'], {
      atMs: 5000,
      tookMs: 22,
      phase: 'after',
      privilege: 'root',
      outBytes: 15_204,
    }),
    entry('node-50', '10', 'conntrack-stats', ['conntrack', '-S'], {
      atMs: 5030,
      tookMs: 0,
      phase: 'after',
      privilege: 'root',
      outBytes: 0,
      exit: { how: 'skipped', why: 'would load nf_conntrack' },
    }),
  ],
  timing: { startedAtMs, endedAtMs: startedAtMs + 5210, tookMs: 5210 },
};

/** After the remedy: nothing left to find. */
export const clear: Report = {
  ...fieldReport0,
  run: { ...fieldReport0.run, id: '2026-10-17T024511-a1b2', startedAt: '2026-10-17T02:45:11.000Z' },
  verdict: 'clear',
  headline:
    'All 8 connections from node-12 to node-50 port 1301 came through; none of the 10 faults looked for is there.',
  findings: [
    ruledOut(
      'tw-recycle',
      'tcp_tw_recycle drops SYNs by their timestamp',
      'net.ipv4.tcp_tw_recycle = 0.',
      'evidence/node-50/03-sysctl.out',
      2,
    ),
    ...fieldReport0.findings.filter((finding) => finding.verdict === 'ruledOut'),
    ...fieldReport0.findings.filter((finding) => finding.verdict === 'notApplicable'),
  ],
  ladder: {
    ...(fieldReport0.ladder ?? { client: '', target: '', capturedOn: '', evidence: '' }),
    steps: [
      { atMs: 0, from: 'client', label: 'SYN', fate: 'answered' },
      { atMs: 0.2, from: 'target', label: 'SYN+ACK', fate: 'seen' },
      { atMs: 0.5, from: 'client', label: 'ACK', fate: 'seen' },
    ],
  },
};

const unknownOn = (rule: string, title: string, facts: readonly string[], why: string): Finding => ({
  rule,
  verdict: 'unknown',
  node: 'node-50',
  title,
  because: [],
  remedies: [],
  missing: facts.map((fact) => ({ fact, node: 'node-50', why })),
});

const unreachable = 'unreachable: connect ETIMEDOUT 172.16.0.50:22 after 8 s';

/** The target could not be logged in to. */
export const inconclusive: Report = {
  ...fieldReport0,
  run: { ...fieldReport0.run, id: '2026-10-17T031502-zz9p', startedAt: '2026-10-17T03:15:02.000Z' },
  verdict: 'inconclusive',
  headline:
    'node-50 could not be looked at (SSH timed out), so the cause cannot be told; from node-12 the port does not answer.',
  nodes: [
    { name: 'node-50', roles: ['target'], address: '172.16.0.50', unseen: unreachable },
    {
      name: 'node-12',
      roles: ['client'],
      address: '172.16.0.12',
      kernel: '4.19.12-1.el7.elrepo.x86_64',
      clockOffsetMs: -3,
    },
  ],
  findings: [
    unknownOn(
      'tw-recycle',
      'tcp_tw_recycle drops SYNs by their timestamp',
      ['sysctl', 'counters', 'capture'],
      unreachable,
    ),
    unknownOn('accept-queue-overflow', 'Accept queue overflow', ['counters', 'listeners'], unreachable),
    unknownOn('fw-input-drop', 'Firewall drops on input', ['firewall'], unreachable),
    {
      ...ruledOut(
        'neigh-failed',
        'No answer to ARP',
        'Neighbour 172.16.0.1 is REACHABLE.',
        'evidence/node-12/08-neighbours.out',
        1,
      ),
      node: 'node-12',
    },
  ],
  unseen: ['node-50: nothing, because SSH to 172.16.0.50 port 22 timed out after 8 s.'],
  ladder: {
    client: '172.16.0.12 (node-12)',
    target: '172.16.0.50:1301',
    capturedOn: 'node-12',
    evidence: 'evidence/node-12/07-capture.pcap',
    steps: [
      { atMs: 0, from: 'client', label: 'SYN', fate: 'lost' },
      { atMs: 1026, from: 'client', label: 'SYN again', fate: 'lost' },
      { atMs: 3042, from: 'client', label: 'SYN again', fate: 'lost' },
      { atMs: 7140, from: 'client', label: 'SYN again', fate: 'lost' },
    ],
  },
  evidence: [
    entry('node-12', '01', 'look', ['sh', '-c', 'uname -r'], { atMs: 470, tookMs: 44, phase: 'look' }),
    entry('node-50', '01', 'look', ['sh', '-c', 'uname -r'], {
      atMs: 0,
      tookMs: 8000,
      phase: 'look',
      outBytes: 0,
      exit: { how: 'notStarted', why: 'unreachable', message: 'connect ETIMEDOUT 172.16.0.50:22' },
    }),
  ],
};

/** No optional part is there, and every list that may be empty is. */
export const everythingMissing: Report = {
  schema: 'netcheck/report/1',
  run: { id: 'r', startedAt: '2026-10-17T02:39:01.250Z', playbooks: [], language: 'en', netcheck: '0.1.0' },
  verdict: 'inconclusive',
  headline: 'Nothing could be looked at.',
  symptom: {
    text: '10.51.2.2 port 53 udp',
    target: { kind: 'address', address: '10.51.2.2' },
    port: 53,
    protocol: 'udp',
    from: [],
    via: [],
    words: [],
  },
  nodes: [],
  findings: [
    {
      rule: 'udp-drop',
      verdict: 'error',
      node: 'node-7',
      title: 'UDP is dropped',
      because: [],
      remedies: [],
      missing: [],
    },
    {
      rule: 'dns-slow',
      verdict: 'unknown',
      node: 'node-7',
      title: 'DNS is slow',
      because: [],
      remedies: [],
      missing: [],
    },
  ],
  unseen: [],
  evidence: [],
  timing: { startedAtMs, endedAtMs: startedAtMs, tookMs: 0 },
};

/** Two faults at once, one of them only likely, on a path through a forwarder. */
export const twoCauses: Report = {
  ...fieldReport0,
  run: { ...fieldReport0.run, id: '2026-10-17T040000-two2', playbooks: ['connect', 'nodeport'] },
  headline: 'Two faults at once: node-30 does not forward, and node-50 would overflow its accept queue.',
  symptom: {
    ...fieldReport0.symptom,
    target: { kind: 'kubernetes', object: 'svc', namespace: 'shop', name: 'web' },
    via: [{ kind: 'node', node: 'node-30' }],
  },
  nodes: [
    ...fieldReport0.nodes,
    { name: 'node-30', roles: ['forwarder', 'client'], address: '172.16.0.30', kernel: '5.4.0-42-generic' },
  ],
  findings: [
    {
      rule: 'accept-queue-overflow',
      verdict: 'likely',
      node: 'node-50',
      title: 'Accept queue overflow',
      because: [
        {
          text: 'The queue of 0.0.0.0:1301 is full (Recv-Q 129 of 128).',
          evidence: 'evidence/node-50/04-listeners.out',
          line: 6,
        },
        {
          text: 'TcpExt.ListenOverflows did not move while netcheck probed (12178939 → 12178939).',
          evidence: counters,
          line: 4,
        },
      ],
      remedies: [
        {
          kind: 'application',
          text: 'Raise the backlog of nginx and reload it: the size of the queue is fixed at listen().',
          commands: [
            "sed -i 's/listen 1301;/listen 1301 backlog=4096;/' /etc/nginx/conf.d/web.conf",
            'nginx -s reload',
          ],
          undo: ["sed -i 's/listen 1301 backlog=4096;/listen 1301;/' /etc/nginx/conf.d/web.conf", 'nginx -s reload'],
          risk: 'A longer queue means longer waits when the workers are slow.',
        },
      ],
      missing: [],
    },
    {
      rule: 'ip-forward-off',
      verdict: 'confirmed',
      node: 'node-30',
      path: { from: 'node-12', to: 'node-50' },
      title: 'IP forwarding is off',
      because: [
        { text: 'net.ipv4.ip_forward = 0.', evidence: 'evidence/node-30/03-sysctl.out', line: 1 },
        {
          text: 'Ip.InAddrErrors rose by 7 (120 → 127), one for each SYN.',
          evidence: 'evidence/node-30/06-counters.out',
          line: 2,
        },
      ],
      remedies: [
        {
          kind: 'temporary',
          node: 'node-30',
          commands: ['sysctl -w net.ipv4.ip_forward=1'],
          undo: ['sysctl -w net.ipv4.ip_forward=0'],
          risk: 'Medium: the write sets other conf parameters back to router defaults; look at rp_filter and accept_redirects afterwards.',
        },
      ],
      missing: [],
    },
    ...fieldReport0.findings.filter((finding) => finding.verdict === 'ruledOut').slice(0, 2),
  ],
};

/** What a hostile host could put into its output, in every place that text can reach. */
export const hostileText = [
  '<!channel> <@U024BE7LH> <https://evil.example|click> @here https://evil.example/x',
  '\u001b[2J\u001b[31mred\u001b]0;title\u0007 \u009b31m \u0008\u0008 \u007f',
  '``` code `tick` ```` *bold* _it_ ~no~',
  '\u202egpj.exe\u202c \u2066isolate\u2069 zero\u200bwidth\ufeff',
  '<script>alert(1)</script><img src=x onerror=alert(1)> " \' & </style></title>--><!--',
  '好\ud800坏 \u{1f468}\u200d\u{1f469}\u200d\u{1f467} Z\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301',
  'line one\r\nline two\nline three\ttab',
  'x'.repeat(10_000),
].join(' ');

export const hostile: Report = {
  ...fieldReport0,
  run: {
    ...fieldReport0.run,
    id: hostileText.slice(0, 400),
    playbooks: [hostileText],
    netcheck: hostileText.slice(0, 200),
  },
  headline: hostileText,
  symptom: { ...fieldReport0.symptom, text: hostileText, words: [hostileText] },
  nodes: fieldReport0.nodes.map((node) => ({
    ...node,
    address: hostileText,
    kernel: hostileText,
    unseen: hostileText,
  })),
  findings: [
    ...fieldReport0.findings.map((finding) => ({
      ...finding,
      node: hostileText,
      title: hostileText,
      because: finding.because.map((because) => ({ ...because, text: hostileText, evidence: hostileText })),
      remedies: finding.remedies.map((remedy) => ({
        ...remedy,
        node: hostileText,
        text: hostileText,
        risk: hostileText,
        commands: [...remedy.commands, `echo ${hostileText}`],
        undo: [`echo '${hostileText}'`],
      })),
      missing: finding.missing.map((missing) => ({ ...missing, node: hostileText, why: hostileText })),
    })),
    {
      rule: 'boom',
      verdict: 'error' as const,
      node: 'node-50',
      title: hostileText,
      because: [{ text: hostileText, evidence: hostileText }],
      remedies: [],
      missing: [],
    },
  ],
  unseen: Array.from({ length: 40 }, () => hostileText),
  ladder: {
    client: hostileText,
    target: hostileText,
    capturedOn: hostileText,
    evidence: hostileText,
    steps: Array.from({ length: 80 }, (_, index) => ({
      atMs: index * 777,
      from: index % 2 === 0 ? ('client' as const) : ('target' as const),
      label: hostileText,
      fate: (['seen', 'answered', 'unanswered', 'lost'] as const)[index % 4] ?? 'seen',
    })),
  },
  evidence: fieldReport0.evidence.map((item) => ({
    ...item,
    node: hostileText,
    argv: [...item.argv, hostileText],
    collector: hostileText,
  })),
};

/** Field report 0 as its rules say it in Chinese. */
export const fieldReport0Zh: Report = {
  ...fieldReport0,
  run: { ...fieldReport0.run, language: 'zh' },
  headline: 'node-50 打开了 net.ipv4.tcp_tw_recycle，时间戳回退的 SYN 被静默丢弃，所以有的连接通、有的超时。',
  symptom: { ...fieldReport0.symptom, text: 'node-50 端口 1301 来自 node-12 时通时不通', words: ['时通时不通'] },
  findings: [
    {
      rule: 'tw-recycle',
      verdict: 'confirmed',
      node: 'node-50',
      title: 'tcp_tw_recycle 按时间戳丢弃 SYN',
      because: [
        {
          text: 'net.ipv4.tcp_tw_recycle = 1，且 net.ipv4.tcp_timestamps = 1。',
          evidence: 'evidence/node-50/03-sysctl.out',
          line: 2,
        },
        {
          text: '探测期间 TcpExt.PAWSPassive 增加 7（103 → 110），TcpExt.ListenDrops 同样增加 7。',
          evidence: counters,
          line: 4,
        },
        {
          text: '来自 172.16.0.12 的 8 次连接中有 3 次没有收到 SYN+ACK；这 3 次的 TSval 都小于 82927，而 node-50 在 6 秒前记住了该地址的这个值。',
          evidence: 'evidence/node-50/05-tcp-metrics.out',
          line: 1,
        },
      ],
      remedies: [
        {
          kind: 'temporary',
          node: 'node-50',
          text: '关闭该参数，立即生效，无需重启任何服务。',
          commands: ['sysctl -w net.ipv4.tcp_tw_recycle=0'],
          undo: ['sysctl -w net.ipv4.tcp_tw_recycle=1'],
          risk: '低。TIME-WAIT 套接字会变多（当前 41 个）。',
        },
      ],
      missing: [],
    },
    {
      ...ruledOut(
        'accept-queue-overflow',
        '全连接队列溢出',
        'TcpExt.ListenOverflows 没有变化（0 → 0）；Recv-Q 0，队列上限 511。',
        counters,
        4,
      ),
    },
    ruledOut(
      'fw-input-drop',
      '防火墙丢包',
      '匹配 tcp/1301 的 DROP 规则计数没有增加（共查看 7 条）。',
      'evidence/node-50/09-firewall.out',
    ),
    {
      rule: 'conntrack-full',
      verdict: 'unknown',
      node: 'node-50',
      title: '连接跟踪表已满',
      because: [],
      remedies: [],
      missing: [{ fact: 'conntrackStats', node: 'node-50', why: '跳过：执行会加载 nf_conntrack 模块' }],
    },
  ],
};

export const fixtures = {
  fieldReport0,
  fieldReport0Zh,
  clear,
  inconclusive,
  everythingMissing,
  twoCauses,
  hostile,
} as const;

/** A plan as `--explain` gets it, with one command per kind of bound. */
export const plan: Plan = {
  symptom: fieldReport0.symptom,
  playbooks: ['connect'],
  choice: [],
  mayJoin: [],
  targetAddress: '172.16.0.50',
  externalClients: ['10.9.8.7'],
  nodes: [
    {
      node: { name: 'node-50', address: '172.16.0.50', port: 22, serves: [], labels: {}, sudo: true },
      roles: ['target'],
      address: '172.16.0.50',
      why: 'asked',
    },
    {
      node: { name: 'node-12', address: '172.16.0.12', port: 22, serves: [], labels: {}, sudo: false },
      roles: ['client'],
      address: '172.16.0.12',
      why: 'asked (from)',
    },
    {
      node: { name: 'node-30', address: '172.16.0.30', port: 22, serves: [], labels: {}, sudo: false },
      roles: ['forwarder'],
      address: '172.16.0.30',
      why: 'asked (via)',
    },
  ],
  steps: [],
  rules: [
    { rule: 'tw-recycle', params: {} },
    { rule: 'accept-queue-overflow', params: {} },
    { rule: 'fw-input-drop', params: {} },
  ],
  budget: {
    wallMs: 60_000,
    windowMs: 12_000,
    maxPackets: 20_000,
    maxCaptureBytes: 16 * 1024 * 1024,
    maxOutputBytes: 4 * 1024 * 1024,
  },
};

export const steps: readonly ExplainStep[] = [
  {
    node: 'node-50',
    phase: 'once',
    argv: ['sysctl', 'net.ipv4.tcp_tw_recycle', 'net.ipv4.tcp_timestamps'],
    privilege: 'none',
    timeoutMs: 5000,
    maxBytes: 65_536,
  },
  {
    node: 'node-50',
    phase: 'after',
    argv: ['conntrack', '-S'],
    privilege: 'root',
    timeoutMs: 5000,
    maxBytes: 65_536,
    note: 'skipped where it would load nf_conntrack; else cat /proc/net/stat/nf_conntrack',
  },
  {
    node: 'node-50',
    phase: 'during',
    argv: ['tcpdump', '-i', 'any', '-w', '-', "host 172.16.0.12 and (tcp port 1301 or icmp[0]=3) and not it's"],
    privilege: 'root',
    timeoutMs: 20_000,
    maxBytes: 16 * 1024 * 1024,
  },
  {
    node: 'node-12',
    phase: 'during',
    argv: ['bash', '-c', 'exec 3<>/dev/tcp/172.16.0.50/1301'],
    privilege: 'none',
    timeoutMs: 20_000,
    maxBytes: 4096,
  },
];
