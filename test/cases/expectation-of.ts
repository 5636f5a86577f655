import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Expectation } from '../lab/scenario.ts';
import { scenarios } from '../lab/scenarios.ts';

/**
 * What the report of a recorded run has to say: what its `expect.json` says; else what the scenario of the same name
 * expects; a run named `…-mended` is clear, or as the scenario says.
 * @throws Error for a case that does not say what it expects
 */
export function expectationOf(name: string): Expectation {
  const file = path.join(import.meta.dirname, name, 'expect.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Expectation;
  const scenario = scenarios.find(({ id }) => id === name);
  if (scenario) return scenario.expect;
  const mended = scenarios.find(({ id }) => name === `${id}-mended`);
  if (mended) return { verdict: mended.mended ?? 'clear', confirmed: [] };
  throw new Error(`${name} has no expect.json, and no scenario has this name: nobody says what its cause is`);
}
