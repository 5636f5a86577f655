import type { PluginKit } from 'netcheck/plugin';

/**
 * A clock that is off makes TLS handshakes, tickets and tokens fail, and looks like a network fault. Never `confirmed`:
 * chrony says nothing about the connection that failed.
 */
export const rule = (kit: PluginKit) =>
  kit.defineNodeRule({
    id: 'clock-not-synchronised',
    fault: '-',
    scope: 'node',
    roles: ['target', 'client'],
    needs: ['ownValues'],
    optional: [],
    // it reads nothing of TCP: asked about UDP as well
    anyProtocol: true,
    params: kit.z.strictObject({
      /** Seconds that the clock may be off. */
      mostOffsetSec: kit.z.number().positive().default(1),
    }),
    sources: ['chronyc(1), tracking'],
    text: {
      en: {
        title: 'The clock of the node is not kept',
        unread: 'clock-sync was not collected here',
        lost: 'chrony follows no time server (Leap status: Not synchronised)',
        off: (v: { seconds: number; most: number }) => `the clock is off by ${v.seconds} s, more than ${v.most} s`,
        kept: (v: { seconds: number; server: string }) => `chrony follows ${v.server}, ${v.seconds} s off`,
        look: 'See which time servers answer, and let chrony step the clock once they do',
        risk: 'A step of the clock is seen by every program of the node',
      },
      zh: {
        title: '节点时钟没有同步',
        unread: '这里没有采集 clock-sync',
        lost: 'chrony 没有跟随任何时间服务器（Leap status: Not synchronised）',
        off: (v) => `时钟偏差 ${v.seconds} 秒，超过 ${v.most} 秒`,
        kept: (v) => `chrony 正在跟随 ${v.server}，偏差 ${v.seconds} 秒`,
        look: '查看哪些时间服务器有应答，恢复后让 chrony 校正一次时钟',
        risk: '节点上的所有程序都会看到时钟跳变',
      },
    },
    evaluate({ node, facts, params, say }) {
      const values = facts.ownValues['clock-sync'];
      const status = values?.['Leap status'];
      const offset = values?.['System time'];
      if (status === undefined || offset === undefined) return kit.undecided('ownValues', node, say.unread);
      const remedies = [
        {
          kind: 'temporary' as const,
          node,
          text: say.look,
          commands: ['chronyc -n sources', 'chronyc makestep'],
          undo: [],
          risk: say.risk,
        },
      ];
      if (status.value === 'Not synchronised') return kit.likely([kit.because(say.lost, status.at)], remedies);
      const seconds = Math.round(Number.parseFloat(offset.value) * 1000) / 1000;
      if (Number.isNaN(seconds)) return kit.undecided('ownValues', node, say.unread);
      if (seconds > params.mostOffsetSec)
        return kit.likely([kit.because(say.off({ seconds, most: params.mostOffsetSec }), offset.at)], remedies);
      const server = values?.['Reference ID']?.value ?? '?';
      return kit.ruledOut(kit.because(say.kept({ seconds, server }), offset.at));
    },
  });
