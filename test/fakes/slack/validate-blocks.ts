/**
 * What Slack refuses in blocks (docs.slack.dev/reference/block-kit). Enough of the rules to catch every message that
 * real Slack would lose; blocks of kinds that netcheck does not use are only counted.
 *
 * @returns one line per fault, in the words of Slack's `response_metadata.messages`; empty: Slack takes them
 */
export function faultsInBlocks(blocks: unknown): string[] {
  if (!Array.isArray(blocks)) return ['must be an array [json-pointer:/blocks]'];
  const faults: string[] = [];
  const fault = (what: string, where: string) => faults.push(`[ERROR] ${what} [json-pointer:${where}]`);
  if (blocks.length > 50) fault('no more than 50 items allowed', '/blocks');
  const blockIds = new Set<string>();
  let markdownChars = 0;

  const text = (
    value: unknown,
    where: string,
    rules: { max: number; only?: 'plain_text'; optional?: boolean },
  ): void => {
    if (value === undefined) {
      if (rules.optional !== true) fault('missing required field: text', where);
      return;
    }
    if (!isObject(value)) return void fault('must be an object', where);
    if (value['type'] !== 'mrkdwn' && value['type'] !== 'plain_text') fault('unsupported type', `${where}/type`);
    if (rules.only !== undefined && value['type'] !== rules.only) fault(`must be ${rules.only}`, `${where}/type`);
    if (value['type'] === 'plain_text' && 'verbatim' in value) fault('additional property: verbatim', where);
    const content = value['text'];
    if (typeof content !== 'string') return void fault('missing required field: text', `${where}/text`);
    if (content.length === 0) fault('must be more than 0 characters', `${where}/text`);
    if (content.length > rules.max) fault(`must be less than ${rules.max + 1} characters`, `${where}/text`);
  };
  const string = (value: unknown, where: string, max: number): void => {
    if (value === undefined) return;
    if (typeof value !== 'string') return void fault('must be a string', where);
    if (value.length > max) fault(`must be less than ${max + 1} characters`, where);
  };
  const element = (value: unknown, where: string, actionIds: Set<string>): void => {
    if (!isObject(value)) return void fault('must be an object', where);
    string(value['action_id'], `${where}/action_id`, 255);
    if (typeof value['action_id'] === 'string') {
      if (actionIds.has(value['action_id'])) fault('action_id already exists', `${where}/action_id`);
      actionIds.add(value['action_id']);
    }
    if (value['type'] !== 'button') return;
    text(value['text'], `${where}/text`, { max: 75, only: 'plain_text' });
    string(value['value'], `${where}/value`, 2000);
    string(value['url'], `${where}/url`, 3000);
    if (value['style'] !== undefined && value['style'] !== 'primary' && value['style'] !== 'danger') {
      fault('unsupported style', `${where}/style`);
    }
    const confirm = value['confirm'];
    if (isObject(confirm)) {
      text(confirm['title'], `${where}/confirm/title`, { max: 100, only: 'plain_text' });
      text(confirm['text'], `${where}/confirm/text`, { max: 300 });
      text(confirm['confirm'], `${where}/confirm/confirm`, { max: 30, only: 'plain_text' });
      text(confirm['deny'], `${where}/confirm/deny`, { max: 30, only: 'plain_text' });
    }
  };

  for (const [at, block] of blocks.entries()) {
    const where = `/blocks/${at}`;
    if (!isObject(block)) {
      fault('must be an object', where);
      continue;
    }
    string(block['block_id'], `${where}/block_id`, 255);
    if (typeof block['block_id'] === 'string') {
      if (blockIds.has(block['block_id'])) fault('block_id already exists', `${where}/block_id`);
      blockIds.add(block['block_id']);
    }
    switch (block['type']) {
      case 'section': {
        const { fields } = block;
        if (block['text'] === undefined && fields === undefined) fault('missing required field: text', where);
        text(block['text'], `${where}/text`, { max: 3000, optional: true });
        if (fields !== undefined) {
          if (!Array.isArray(fields) || fields.length === 0) fault('must have at least 1 item', `${where}/fields`);
          else {
            if (fields.length > 10) fault('no more than 10 items allowed', `${where}/fields`);
            for (const [i, field] of fields.entries()) text(field, `${where}/fields/${i}`, { max: 2000 });
          }
        }
        if (block['accessory'] !== undefined) element(block['accessory'], `${where}/accessory`, new Set());
        break;
      }
      case 'header':
        text(block['text'], `${where}/text`, { max: 150, only: 'plain_text' });
        break;
      case 'context': {
        const { elements } = block;
        if (!Array.isArray(elements) || elements.length === 0) {
          fault('must have at least 1 item', `${where}/elements`);
          break;
        }
        if (elements.length > 10) fault('no more than 10 items allowed', `${where}/elements`);
        for (const [i, one] of elements.entries()) {
          if (isObject(one) && one['type'] === 'image') continue;
          text(one, `${where}/elements/${i}`, { max: 3000 });
        }
        break;
      }
      case 'actions': {
        const { elements } = block;
        if (!Array.isArray(elements) || elements.length === 0) {
          fault('must have at least 1 item', `${where}/elements`);
          break;
        }
        if (elements.length > 25) fault('no more than 25 items allowed', `${where}/elements`);
        const actionIds = new Set<string>();
        for (const [i, one] of elements.entries()) element(one, `${where}/elements/${i}`, actionIds);
        break;
      }
      case 'markdown':
        if (typeof block['text'] !== 'string') fault('missing required field: text', where);
        else markdownChars += block['text'].length;
        break;
      case 'image':
        if (typeof block['alt_text'] !== 'string') fault('missing required field: alt_text', where);
        break;
      case 'divider':
      case 'rich_text':
      case 'table':
      case 'data_table':
      case 'file':
      case 'input':
      case 'video':
      case 'alert':
      case 'container':
      case 'card':
      case 'carousel':
      case 'plan':
      case 'task_card':
      case 'context_actions':
        break;
      default:
        fault(`unsupported type: ${String(block['type'])}`, `${where}/type`);
    }
  }
  if (markdownChars > 12_000) fault('must be less than 12001 characters over all markdown blocks', '/blocks');
  return faults;
}

/** Characters of a whole message's blocks above which Slack answers `msg_blocks_too_long` (bolt-js #2509). */
export const maxBlocksChars = 13_200;

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
