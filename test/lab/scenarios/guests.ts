import type { Scenario } from '../scenario.ts';

/** On guests with kernels of their own. */
export const guestScenarios: readonly Scenario[] = [];
