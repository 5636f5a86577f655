import type { Connection, FactName, Facts } from '../model/facts.ts';
import type { PlannedNode } from '../model/plan.ts';
import type { PathHop } from '../model/report.ts';

/** Sightings of the connects in one capture: for each of them its legs there, the one that came in first. */
export type Seen = readonly (readonly Connection[])[];

/** A place on the way, and the connects as its capture has them: for each one its legs there. */
export interface SeenAt {
  readonly planned: PlannedNode;
  readonly facts: Facts;
  readonly role: PathHop['role'];
  readonly seen: Seen;
  readonly whyMissing: (fact: FactName) => string;
}

/** By its server, or by somebody who refuses it in the server's name. */
export function isAnswered({ synAcks, resets }: Connection): boolean {
  return synAcks.length > 0 || resets.some(({ from, answersSyn }) => from === 'server' && answersSyn);
}
