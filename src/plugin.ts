import * as z from 'zod';
import { defineCollector } from './model/command.ts';
import { defineCaptureRule, defineNodeRule, definePathRule } from './model/rule.ts';
import { askedAt, because } from './rules/because.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './rules/outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './rules/sysctl-remedies.ts';

/**
 * What a plug-in is given: it imports nothing of netcheck but types, so that there is one zod and one netcheck in the
 * process, wherever the plug-in lies. `docs/extending.md` shows how.
 */
export const pluginKit = {
  /** https://zod.dev: parameters of rules and collectors. */
  z,
  defineNodeRule,
  definePathRule,
  defineCaptureRule,
  defineCollector,
  /** A sentence with the place that it stands on. */
  because,
  askedAt,
  confirmed,
  likely,
  ruledOut,
  notApplicable,
  undecided,
  temporarySysctl,
  permanentSysctl,
  plainSetting,
} as const;
export type PluginKit = typeof pluginKit;

export type { CollectContext, Collector, Command } from './model/command.ts';
export type { FactCatalogue, FactName, Facts } from './model/facts.ts';
export type { Because, Remedy } from './model/report.ts';
export type { AnyRule, Outcome, Undecided } from './model/rule.ts';
