import type { Scenario } from '../scenario.ts';

/** Two faults at once: both are named. */
export const pairScenarios: readonly Scenario[] = [];
