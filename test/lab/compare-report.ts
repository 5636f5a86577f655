import type { Finding, Report } from '../../src/model/report.ts';
import type { Expectation, Place } from './scenario.ts';

/** All findings of one verdict. */
export const withVerdict = (report: Report, verdict: Finding['verdict']) =>
  report.findings.filter((finding) => finding.verdict === verdict);
/** All that is confirmed, and where. */
export const confirmedIn = (report: Report): readonly Place[] => withVerdict(report, 'confirmed').map(placeOf);

/** A finding as scenarios name it: on a node, or between two. */
export const placeOf = ({ rule, node, path }: Pick<Finding, 'rule' | 'node' | 'path'>): Place =>
  path === undefined ? { rule, node } : { rule, path };

/** `rp-filter-drop on node-50`, `path-drop from node-12 to node-50` */
export const placeText = (place: Place): string =>
  'path' in place ? `${place.rule} from ${place.path.from} to ${place.path.to}` : `${place.rule} on ${place.node}`;

/** Those of the first list that are not in the second. */
export function without(places: readonly Place[], others: readonly Place[]): readonly Place[] {
  const known = new Set(others.map(placeText));
  return places.filter((place) => !known.has(placeText(place)));
}

/** Sentences about what is not as it was expected, with the whole report where it is the cause that is wrong. */
export function wrong(report: Report, wanted: Expectation): readonly string[] {
  const confirmed = confirmedIn(report);
  const likely = withVerdict(report, 'likely').map(placeOf);
  const expectedLikely = wanted.likely ?? [];
  const tolerated = wanted.mayBeLikely === undefined ? likely : [...expectedLikely, ...wanted.mayBeLikely];
  const problems = [
    ...without(wanted.confirmed, confirmed).map((place) => `not confirmed: ${placeText(place)}`),
    ...without(confirmed, wanted.confirmed).map((place) => `confirmed, but not there: ${placeText(place)}`),
    ...without(expectedLikely, likely).map((place) => `not likely: ${placeText(place)}`),
    ...without(likely, tolerated).map((place) => `likely, but not there: ${placeText(place)}`),
  ];
  for (const { why, ...place } of wanted.unknown ?? []) {
    const finding = withVerdict(report, 'unknown').find((one) => placeText(placeOf(one)) === placeText(place));
    if (!finding) problems.push(`not unknown: ${placeText(place)}`);
    else if (!finding.missing.some((missing) => why.test(missing.why)))
      problems.push(`${placeText(place)} is unknown, but not because of ${why}`);
  }
  if (report.verdict !== wanted.verdict) problems.push(`must be ${wanted.verdict}, and is ${report.verdict}`);
  const unreachable = report.nodes.filter(({ unseen }) => unseen !== undefined).map(({ name }) => name);
  if (unreachable.join() !== (wanted.unreachable ?? []).join())
    problems.push(`nodes that cannot be looked at: ${unreachable.join(', ') || 'none'}`);
  for (const pattern of wanted.unseen ?? [])
    if (!report.unseen.some((text) => pattern.test(text)))
      problems.push(`does not say that it could not see ${pattern}`);
  for (const pattern of wanted.resolved ?? [])
    if (!(report.resolved ?? []).some((text) => pattern.test(text)))
      problems.push(`must be resolved as ${pattern}, and is: ${(report.resolved ?? []).join('; ')}`);
  if (wanted.headline && !wanted.headline.test(report.headline))
    problems.push(`the headline is not ${wanted.headline}`);
  if (wanted.remedy) {
    const { node, command: line } = wanted.remedy;
    const temporary = withVerdict(report, 'confirmed')
      .flatMap(({ remedies }) => remedies)
      .filter((remedy) => remedy.kind === 'temporary' && remedy.node === node);
    if (!temporary.some(({ commands }) => commands.includes(line))) problems.push(`no remedy on ${node}: ${line}`);
  }
  return problems.length === 0 ? [] : [...problems, told(report)];
}

/** What a failure needs to be understood: every finding that is not "ruled out", with its reasons. */
export function told(report: Report): string {
  const lines = report.findings
    .filter(({ verdict }) => verdict !== 'ruledOut' && verdict !== 'notApplicable')
    .flatMap(({ verdict, rule, node, title, because, missing }) => [
      `${verdict} ${rule} on ${node}: ${title}`,
      ...because.map(({ text }) => `    ${text}`),
      ...missing.map(({ fact, node: on, why }) => `    missing ${fact} of ${on}: ${why}`),
    ]);
  return [`${report.verdict}: ${report.headline}`, ...lines, ...report.unseen.map((text) => `unseen: ${text}`)].join(
    '\n',
  );
}
