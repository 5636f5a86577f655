import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { parseAsk } from '../../src/engine/ask.ts';
import { choosePlaybooks } from '../../src/engine/playbook-set.ts';
import { readPlaybooks } from '../../src/load-playbooks.ts';
import { rules } from '../../src/rules/index.ts';

const { playbooks } = readPlaybooks([], { collectors, rules });
const chosen = (words: string) =>
  choosePlaybooks(parseAsk(`node-50 port 1301 from node-12 ${words}`), playbooks)
    .map(({ playbook }) => playbook.id)
    .join(' ');

describe('the playbooks that come with netcheck', () => {
  it.each([
    ['', 'port-check'],
    ['times out', 'port-check'],
    ['intermittent timeout', 'port-check'],
    ['flaky', 'port-check'],
    ['时通时不通', 'port-check'],
    ['连不上', 'port-check'],
    ['fails now and then', 'intermittent'],
    ['times out occasionally', 'intermittent'],
    ['偶发失败', 'intermittent'],
    ['packet loss', 'packet-loss'],
    ['many retransmits', 'packet-loss'],
    ['丢包', 'packet-loss'],
    ['slow to connect', 'slow-connect'],
    ['cannot assign requested address', 'slow-connect'],
    ['无法分配请求的地址', 'slow-connect'],
    ['audit', 'node-audit'],
    ['巡检', 'node-audit'],
  ])('"%s" chooses %s', (words, id) => {
    expect(chosen(words)).toBe(id);
  });
});
