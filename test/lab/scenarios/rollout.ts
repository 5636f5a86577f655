import type { Scenario } from '../scenario.ts';

/** Connections during a rolling update. */
export const rolloutScenarios: readonly Scenario[] = [];
