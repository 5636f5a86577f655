import { describe, expect, it } from 'vitest';
import { messageWords } from '../../../src/adapters/slack/message-words.ts';
import { readMessage } from '../../../src/engine/read-message.ts';

const read = (message: unknown) => {
  const { text, links } = messageWords(message);
  const known = { nodes: ['node-12', 'node-50'], symptoms: ['refused'] };
  const first = readMessage(text, known);
  return first.targets.length > 0 ? first : readMessage(`${text}\n${links}`, known);
};

describe('the words of a message', () => {
  it('of Alertmanager: an attachment with title, text and a link', () => {
    const message = {
      bot_id: 'B1',
      text: '',
      attachments: [
        {
          color: 'danger',
          title: '[FIRING:1] PortDown',
          title_link: 'https://alerts.example/#/alerts?receiver=slack',
          text: '*Description:* node-12 cannot reach node-50\n*port:* `1301`',
          fallback: '[FIRING:1] PortDown | https://alerts.example',
        },
      ],
    };
    expect(read(message)).toMatchObject({ targets: ['node-50'], ports: [1301], from: ['node-12'] });
  });

  it('of PagerDuty: blocks with a link as headline, and fields', () => {
    const message = {
      text: 'Incident #4711 triggered',
      attachments: [
        {
          blocks: [
            {
              type: 'section',
              text: { type: 'mrkdwn', text: '*<https://acme.pagerduty.com/incidents/Q1|[#4711] node-50 refused>*' },
            },
            {
              type: 'section',
              fields: [
                { type: 'mrkdwn', text: '*Port*\n1301' },
                { type: 'mrkdwn', text: '*Urgency*\nHigh' },
              ],
            },
            {
              type: 'actions',
              elements: [{ type: 'button', text: { type: 'plain_text', text: 'Acknowledge' }, value: 'node-12' }],
            },
          ],
        },
      ],
    };
    expect(read(message)).toMatchObject({ targets: ['node-50'], ports: [1301], from: [], symptom: 'refused' });
  });

  it('of Opsgenie: fields by title', () => {
    const fields = [
      { title: 'Priority', value: 'P1', short: true },
      { title: 'Host', value: 'node-50', short: true },
      { title: 'Port', value: '1301', short: true },
    ];
    expect(
      read({
        text: 'New alert: "TCP check" <https://acme.app.opsgenie.com/alert/detail/1f/details|#88>',
        attachments: [{ fields }],
      }),
    ).toMatchObject({
      targets: ['node-50'],
      ports: [1301],
    });
  });

  it('of Grafana: where only the link carries the labels', () => {
    const message = {
      text: 'Alert is firing',
      attachments: [
        { title: 'Port down', title_link: 'https://grafana.example/d/x?var-instance=node-50%3A1301&var-job=web' },
      ],
    };
    expect(read(message)).toMatchObject({ targets: ['node-50'], ports: [1301] });
  });

  it('of a person: rich text, in one line per paragraph', () => {
    const message = {
      text: 'ignored <@U1>',
      blocks: [
        {
          type: 'rich_text',
          elements: [
            {
              type: 'rich_text_section',
              elements: [
                { type: 'text', text: 'node-12', style: { code: true } },
                { type: 'text', text: ' cannot reach ' },
                { type: 'link', url: 'http://node-50', text: 'node-50' },
                { type: 'text', text: ' port 1301' },
              ],
            },
          ],
        },
      ],
    };
    expect(messageWords(message).text).toContain('node-12 cannot reach node-50 port 1301');
    expect(read(message)).toMatchObject({ targets: ['node-50'], ports: [1301], from: ['node-12'] });
  });

  it.each([
    [undefined],
    [null],
    ['text'],
    [{ text: 5, blocks: 'x', attachments: [null, 7, { fields: {} }] }],
    [{ blocks: [null, { type: 'section', text: 5 }] }],
  ])('takes %j for no words', (message) => {
    expect(messageWords(message)).toEqual({ text: '', links: '' });
  });

  it('is bounded, however deep and long the message is', () => {
    let deep: unknown = { type: 'rich_text_section', elements: [{ type: 'text', text: 'bottom' }] };
    for (let depth = 0; depth < 10_000; depth += 1) deep = { type: 'rich_text', elements: [deep] };
    expect(messageWords({ blocks: [deep] }).text).toBe('');
    const long = messageWords({ text: Array.from({ length: 5000 }, (_, at) => `line ${at}`).join('\n') });
    expect(long.text.split('\n').length).toBeLessThanOrEqual(300);
  });
});
