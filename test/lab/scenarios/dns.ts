import type { Scenario } from '../scenario.ts';

/** Names that resolve slowly, wrongly, or not at all. */
export const dnsScenarios: readonly Scenario[] = [];
