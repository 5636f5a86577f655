import type { Report } from '../model/report.ts';
import type { Wording } from './wording.ts';

/** The playbooks of a run, and why each of them: `port-check (no word of the question chooses another)`. */
export function playbooksText({ playbooks, chosen = [] }: Report['run'], words: Wording): string {
  return playbooks
    .map((playbook) => {
      const why = chosen.find((one) => one.playbook === playbook)?.why;
      return why === undefined ? playbook : `${playbook} (${why})`;
    })
    .join(words.list);
}
