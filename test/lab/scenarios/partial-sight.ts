import type { Scenario } from '../scenario.ts';

/** The same faults with less to see: the verdict gets weaker, never wrong. */
export const partialSightScenarios: readonly Scenario[] = [];
