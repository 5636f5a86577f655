import type { ReportVerdict, Verdict } from '../model/verdict.ts';

/** A sign for each verdict on a page, so that colour is not all that tells it. */
export const verdictSign: Readonly<Record<Verdict | ReportVerdict, string>> = {
  found: '✗',
  clear: '✓',
  inconclusive: '?',
  confirmed: '✗',
  likely: '!',
  ruledOut: '✓',
  notApplicable: '–',
  unknown: '?',
  error: '!',
};
