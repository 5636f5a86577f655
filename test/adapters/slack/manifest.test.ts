import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { diagnoseShortcut } from '../../../src/adapters/slack/diagnose-form.ts';
import { requiredScopes, wantedScopes } from '../../../src/adapters/slack/slack-health.ts';

const root = path.join(import.meta.dirname, '..', '..', '..');
/** What we rely on, with Slack's limits on lengths (docs.slack.dev/reference/app-manifest). */
const Manifest = z.strictObject({
  display_information: z.strictObject({
    name: z.string().max(35),
    description: z.string().max(140),
    background_color: z.string().regex(/^#[0-9a-f]{6}$/u),
  }),
  features: z.strictObject({
    app_home: z.strictObject({ home_tab_enabled: z.literal(true), messages_tab_enabled: z.boolean() }),
    shortcuts: z.array(
      z.strictObject({
        name: z.string().max(24),
        type: z.literal('message'),
        callback_id: z.string().max(255),
        description: z.string().max(150),
      }),
    ),
    bot_user: z.strictObject({ display_name: z.string().max(80), always_online: z.boolean() }),
    slash_commands: z.array(
      z.strictObject({
        command: z.string().max(32).startsWith('/'),
        description: z.string().max(2000),
        usage_hint: z.string().max(1000),
        should_escape: z.literal(false),
      }),
    ),
  }),
  oauth_config: z.strictObject({ scopes: z.strictObject({ bot: z.array(z.string()) }) }),
  settings: z.strictObject({
    event_subscriptions: z.strictObject({ bot_events: z.array(z.string()) }),
    interactivity: z.strictObject({ is_enabled: z.literal(true) }),
    org_deploy_enabled: z.boolean(),
    socket_mode_enabled: z.literal(true),
    token_rotation_enabled: z.literal(false),
  }),
});

describe('slack-manifest.yaml', () => {
  const manifest = Manifest.parse(parse(readFileSync(path.join(root, 'slack-manifest.yaml'), 'utf8')));
  it('asks for exactly the scopes that doctor looks for', () => {
    expect([...manifest.oauth_config.scopes.bot].sort()).toEqual([...requiredScopes, ...wantedScopes].sort());
  });
  it('has the command, the shortcut and the events that the front listens to', () => {
    expect(manifest.features.slash_commands.map(({ command }) => command)).toEqual(['/netcheck']);
    expect(manifest.settings.event_subscriptions.bot_events).toEqual(['app_home_opened', 'app_mention']);
    expect(manifest.features.shortcuts.map(({ callback_id: id }) => id)).toEqual([diagnoseShortcut]);
  });
  it('explains every scope in docs/slack-setup.md', () => {
    const page = readFileSync(path.join(root, 'docs', 'slack-setup.md'), 'utf8');
    expect(manifest.oauth_config.scopes.bot.filter((scope) => !page.includes(`\`${scope}\``))).toEqual([]);
  });
});
