import type { Exit } from '../model/evidence.ts';

/** The reason with which what is going on at a silent node is aborted: what is to be written down as its exit. */
export class GivenUp {
  readonly exit: Exit;
  constructor(exit: Exit) {
    this.exit = exit;
  }
}
