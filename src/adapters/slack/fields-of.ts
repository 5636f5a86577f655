import { isRecord } from './is-record.ts';

/** What a person filled in: `block_id` -> value or chosen option. Fields that are empty are absent. */
export function fieldsOf(values: unknown): Readonly<Record<string, string>> {
  if (!isRecord(values)) return {};
  const filled = Object.entries(values).flatMap(([block, actions]) => {
    const state = isRecord(actions) ? Object.values(actions)[0] : undefined;
    if (!isRecord(state)) return [];
    const { value, selected_option: option, selected_conversation: conversation } = state;
    const chosen = value ?? conversation ?? (isRecord(option) ? option['value'] : undefined);
    return typeof chosen === 'string' && chosen.trim() !== '' ? [[block, chosen] as const] : [];
  });
  return Object.fromEntries(filled);
}
