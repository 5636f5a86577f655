import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { parseAsk } from '../../src/engine/ask.ts';
import { choosePlaybooks } from '../../src/engine/playbook-set.ts';
import { readPlaybooks } from '../../src/load-playbooks.ts';
import { rules } from '../../src/rules/index.ts';

const { playbooks } = readPlaybooks([], { collectors, rules });
const chosen = (words: string): string =>
  choosePlaybooks(parseAsk(`node-50 port 80 ${words}`), playbooks)
    .map(({ playbook }) => playbook.id)
    .join(' ');

describe('words of idle connections, large transfers, DNS, tunnels and Services choose their playbook', () => {
  it.each([
    ['', 'port-check'],
    ['connect timed out', 'port-check'],
    ['连不上', 'port-check'],
    ['connection reset by peer after idle', 'reset-after-idle'],
    ['first request in the morning fails', 'reset-after-idle'],
    ['长连接空闲15分钟后reset', 'reset-after-idle'],
    ['uploads hang', 'large-transfers-hang'],
    ['small packets pass, large packets do not', 'large-transfers-hang'],
    ['小包通大包不通', 'large-transfers-hang'],
    ['dns slow', 'dns-slow'],
    ['域名解析慢', 'dns-slow'],
    ['dns 5秒', 'dns-slow'],
    ['unknown host', 'dns-wrong'],
    ['temporary failure in name resolution', 'dns-wrong'],
    ['域名解析失败', 'dns-wrong'],
    ['works on one node, fails cross-node', 'tunnel-check'],
    ['跨节点访问失败', 'tunnel-check'],
    ['nodeport refused sometimes', 'service-check'],
    ['服务ip不通', 'service-check'],
    ['lb 有时超时 负载均衡', 'service-check'],
    ['no route to host during rolling update', 'rollout-errors'],
    ['connection refused after deploy', 'rollout-errors'],
    ['滚动更新时 No route to host', 'rollout-errors'],
    ['发布时连接被拒绝', 'rollout-errors'],
    ['发布后偶尔超时', 'rollout-errors'],
    ['resets during a rolling update', 'rollout-errors'],
  ])('%s -> %s', (words, id) => {
    expect(chosen(words)).toBe(id);
  });
  it('and every one of them can be named', () => {
    for (const id of playbooks.keys()) expect(chosen(`timeout playbook ${id}`)).toBe(id);
  });
});
