/**
 * What Slack refuses in blocks (docs.slack.dev/reference/block-kit). Enough of the rules to catch every message that
 * real Slack would lose; blocks of kinds that netcheck does not use are only counted.
 *
 * @returns one line per fault, in the words of Slack's `response_metadata.messages`; empty: Slack takes them
 */
export function faultsInBlocks(blocks: unknown, maxBlocks = 50): string[] {
  if (!Array.isArray(blocks)) return ['must be an array [json-pointer:/blocks]'];
  const faults: string[] = [];
  const fault = (what: string, where: string) => faults.push(`[ERROR] ${what} [json-pointer:${where}]`);
  if (blocks.length > maxBlocks) fault(`no more than ${maxBlocks} items allowed`, '/blocks');
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
  const option = (value: unknown, where: string): void => {
    if (!isObject(value)) return void fault('must be an object', where);
    text(value['text'], `${where}/text`, { max: 75, only: 'plain_text' });
    string(value['value'], `${where}/value`, 150);
    if (typeof value['value'] !== 'string' || value['value'] === '') fault('missing required field: value', where);
  };
  const list = (value: unknown, where: string, one: (item: unknown, where: string) => void): void => {
    if (!Array.isArray(value) || value.length === 0) return void fault('must have at least 1 item', where);
    if (value.length > 100) fault('no more than 100 items allowed', where);
    for (const [i, item] of value.entries()) one(item, `${where}/${i}`);
  };
  const select = (value: Readonly<Record<string, unknown>>, where: string): void => {
    if (value['placeholder'] !== undefined)
      text(value['placeholder'], `${where}/placeholder`, { max: 150, only: 'plain_text' });
    if (value['initial_option'] !== undefined) option(value['initial_option'], `${where}/initial_option`);
    if ((value['options'] === undefined) === (value['option_groups'] === undefined))
      fault('needs either options or option_groups', where);
    if (value['options'] !== undefined) list(value['options'], `${where}/options`, option);
    if (value['option_groups'] === undefined) return;
    list(value['option_groups'], `${where}/option_groups`, (group, at) => {
      if (!isObject(group)) return void fault('must be an object', at);
      text(group['label'], `${at}/label`, { max: 75, only: 'plain_text' });
      list(group['options'], `${at}/options`, option);
    });
  };
  const element = (value: unknown, where: string, actionIds: Set<string>): void => {
    if (!isObject(value)) return void fault('must be an object', where);
    string(value['action_id'], `${where}/action_id`, 255);
    if (typeof value['action_id'] === 'string') {
      if (actionIds.has(value['action_id'])) fault('action_id already exists', `${where}/action_id`);
      actionIds.add(value['action_id']);
    }
    if (value['type'] === 'static_select') select(value, where);
    if (value['type'] === 'external_select') {
      if (value['placeholder'] !== undefined)
        text(value['placeholder'], `${where}/placeholder`, { max: 150, only: 'plain_text' });
      if (value['initial_option'] !== undefined) option(value['initial_option'], `${where}/initial_option`);
    }
    if (value['type'] === 'number_input' && typeof value['is_decimal_allowed'] !== 'boolean')
      fault('missing required field: is_decimal_allowed', where);
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
      case 'input':
        text(block['label'], `${where}/label`, { max: 2000, only: 'plain_text' });
        text(block['hint'], `${where}/hint`, { max: 2000, only: 'plain_text', optional: true });
        element(block['element'], `${where}/element`, new Set());
        break;
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

/** What Slack refuses in a modal (docs.slack.dev/reference/views), in the same words. */
export function faultsInView(view: unknown): string[] {
  if (!isObject(view)) return ['must be an object [json-pointer:/view]'];
  const { title, submit, close, blocks, callback_id: callbackId, private_metadata: metadata } = view;
  const faults = faultsInBlocks(blocks, 100);
  for (const [name, text] of Object.entries({ title, submit, close })) {
    if (text === undefined && name !== 'title') continue;
    const content = isObject(text) && text['type'] === 'plain_text' ? text['text'] : undefined;
    if (typeof content !== 'string' || content === '' || content.length > 24)
      faults.push(`[ERROR] must be plain_text of 1 to 24 characters [json-pointer:/view/${name}]`);
  }
  if (view['type'] !== 'modal') faults.push('[ERROR] unsupported type [json-pointer:/view/type]');
  for (const [name, value, max] of [
    ['callback_id', callbackId, 255],
    ['private_metadata', metadata, 3000],
  ] as const)
    if (value !== undefined && (typeof value !== 'string' || value.length > max))
      faults.push(`[ERROR] must be less than ${max + 1} characters [json-pointer:/view/${name}]`);
  const hasInput = Array.isArray(blocks) && blocks.some((block) => isObject(block) && block['type'] === 'input');
  if (hasInput && submit === undefined) faults.push('[ERROR] missing required field: submit [json-pointer:/view]');
  return faults;
}

/** What Slack refuses in App Home. */
export function faultsInHome(view: unknown): string[] {
  if (!isObject(view)) return ['must be an object [json-pointer:/view]'];
  const faults = faultsInBlocks(view['blocks'], 100);
  if (view['type'] !== 'home') faults.push('[ERROR] unsupported type [json-pointer:/view/type]');
  return faults;
}

/** Characters of a whole message's blocks above which Slack answers `msg_blocks_too_long` (bolt-js #2509). */
export const maxBlocksChars = 13_200;

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
