import type { FakeView } from './slack-world.ts';
import { isObject } from './validate-blocks.ts';

/** The interactive elements of a block. */
export function elementsOf(block: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!isObject(block)) return [];
  const { elements, element, accessory } = block;
  return [...(Array.isArray(elements) ? elements : []), element, accessory].filter(isObject);
}

/** The options of a select, of all its groups. */
export function optionsOf(element: Readonly<Record<string, unknown>>): readonly Readonly<Record<string, unknown>>[] {
  const groups = Array.isArray(element['option_groups']) ? element['option_groups'] : [element];
  return groups
    .filter(isObject)
    .flatMap(({ options }): unknown[] => (Array.isArray(options) ? options : []))
    .filter(isObject);
}

/** A modal as Slack sends it. */
export function wireView(view: FakeView, values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return {
    id: view.id,
    hash: view.hash,
    type: 'modal',
    callback_id: view.callbackId,
    private_metadata: view.privateMetadata,
    title: { type: 'plain_text', text: view.title },
    blocks: view.blocks,
    state: { values },
    team_id: 'T0PRACTICE',
    app_id: 'A0NETCHECK',
    bot_id: 'B0NETCHECK',
    root_view_id: view.id,
    previous_view_id: null,
  };
}
