import type { Scenario } from '../scenario.ts';

/** Healthy networks with settings and figures that look alarming: nothing may be confirmed. */
export const decoyScenarios: readonly Scenario[] = [];
