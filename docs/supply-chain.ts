import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { oldDependencies, whyDependencies } from './dependency-reasons.ts';

/** package-lock.json, version 3 (docs.npmjs.com, package-lock-json): what a bill of materials is made of. */
const Lock = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(
    z.string(),
    z.object({
      version: z.string(),
      integrity: z.string().optional(),
      license: z.string().optional(),
      dev: z.boolean().optional(),
      optional: z.boolean().optional(),
      hasInstallScript: z.boolean().optional(),
      os: z.array(z.string()).optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
      devDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
});

export interface LockedPackage {
  /** Its place below the project: `node_modules/a/node_modules/b`. */
  readonly place: string;
  readonly name: string;
  readonly version: string;
  readonly licence: string | undefined;
  readonly integrity: string | undefined;
  /** Part of what runs, not only of what builds and tests. */
  readonly runs: boolean;
  readonly optional: boolean;
  readonly os: readonly string[];
  readonly hasInstallScript: boolean;
  /** Places of what it needs, as far as that is locked. */
  readonly needs: readonly string[];
}

/** Said by their authors in another place than the field that npm copies into the lock file. */
const saidElsewhere: Readonly<Record<string, string>> = {
  // `licenses` in package.json, as npm took it until 2014; and LICENSE
  ssh2: 'MIT',
  'cpu-features': 'MIT',
  buildcheck: 'MIT',
};
/** Programs for other systems, published together with the package that loads them, under its licence. */
const partOf: readonly (readonly [name: RegExp, licence: string])[] = [
  [/^@biomejs\/cli-/, 'MIT OR Apache-2.0'],
  [/^@oxlint\/binding-/, 'MIT'],
  [/^@oxlint-tsgolint\//, 'MIT'],
  [/^@msgpackr-extract\//, 'MIT'],
];

const lockFile = path.join(import.meta.dirname, '..', 'package-lock.json');

/** Every package that the lock file names, by place. */
export function lockedPackages(text = readFileSync(lockFile, 'utf8')): readonly LockedPackage[] {
  const { packages } = Lock.parse(JSON.parse(text));
  return Object.entries(packages)
    .filter(([place]) => place !== '')
    .map(([place, one]) => {
      const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
      return {
        place,
        name,
        version: one.version,
        licence: one.license ?? saidElsewhere[name] ?? partOf.find(([known]) => known.test(name))?.[1],
        integrity: one.integrity,
        runs: one.dev !== true,
        optional: one.optional === true,
        os: one.os ?? [],
        hasInstallScript: one.hasInstallScript === true,
        needs: Object.keys({ ...one.dependencies, ...one.optionalDependencies }).flatMap(
          (needed) => placeOf(packages, place, needed) ?? [],
        ),
      };
    })
    .sort((a, b) => (a.place < b.place ? -1 : 1));
}

/** Where Node finds a package from another one: in its own node_modules, then in those around it. */
function placeOf(packages: Readonly<Record<string, unknown>>, from: string, name: string): string | undefined {
  for (let around = from; ; around = around.slice(0, Math.max(0, around.lastIndexOf('/node_modules/')))) {
    const place = `${around === '' ? '' : `${around}/`}node_modules/${name}`;
    if (packages[place] !== undefined) return place;
    if (around === '') return undefined;
    if (!around.includes('/node_modules/')) around = '/node_modules/';
  }
}

const purl = ({ name, version }: LockedPackage): string => `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** Bill of materials: CycloneDX 1.5 as JSON (cyclonedx.org/docs/1.5/json). The same lock file, the same bytes. */
export function billOfMaterials(): string {
  const locked = lockedPackages();
  const byPlace = new Map(locked.map((one) => [one.place, one]));
  const own = z
    .object({
      name: z.string(),
      version: z.string(),
      license: z.string(),
      dependencies: z.record(z.string(), z.string()),
      devDependencies: z.record(z.string(), z.string()),
    })
    .parse(JSON.parse(readFileSync(path.join(path.dirname(lockFile), 'package.json'), 'utf8')));
  const self = `pkg:npm/${own.name}@${own.version}`;
  // one and the same version in two places is one component
  const components = new Map<string, LockedPackage>();
  for (const one of locked) {
    const known = components.get(purl(one));
    components.set(purl(one), known?.runs === true ? known : one);
  }
  const refs = (places: readonly string[]): readonly string[] =>
    [...new Set(places.flatMap((place) => byPlace.get(place) ?? []).map(purl))].sort();
  const needsOf = (ref: string): readonly string[] =>
    refs(locked.filter((one) => purl(one) === ref).flatMap(({ needs }) => needs));
  return `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      version: 1,
      metadata: {
        component: {
          type: 'application',
          'bom-ref': self,
          name: own.name,
          version: own.version,
          licenses: [{ license: { id: own.license } }],
        },
      },
      components: [...components]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([ref, one]) => ({
          type: 'library',
          'bom-ref': ref,
          name: one.name,
          version: one.version,
          purl: ref,
          scope: one.runs ? (one.optional ? 'optional' : 'required') : 'excluded',
          licenses: licencesOf(one),
          ...(one.integrity === undefined ? {} : { hashes: hashesOf(one.integrity) }),
        })),
      dependencies: [
        {
          ref: self,
          dependsOn: refs(
            [...Object.keys(own.dependencies), ...Object.keys(own.devDependencies)].map(
              (name) => `node_modules/${name}`,
            ),
          ),
        },
        ...[...components.keys()].sort().map((ref) => ({ ref, dependsOn: needsOf(ref) })),
      ],
    },
    null,
    2,
  )}\n`;
}

function licencesOf({ licence = 'unknown' }: LockedPackage): readonly unknown[] {
  return / (?:OR|AND) /.test(licence) ? [{ expression: licence }] : [{ license: { id: licence } }];
}

/** Subresource integrity (`sha512-BASE64`) as CycloneDX has hashes. */
function hashesOf(integrity: string): readonly unknown[] {
  return integrity.split(' ').flatMap((one) => {
    const [algorithm = '', base64 = ''] = one.split(/-(.*)/s);
    const alg = { sha512: 'SHA-512', sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384' }[algorithm];
    return alg === undefined ? [] : [{ alg, content: Buffer.from(base64, 'base64').toString('hex') }];
  });
}

/** `docs/licences.md`. */
export function licencesPage(
  table: (header: readonly string[], rows: readonly (readonly string[])[]) => string,
): string {
  const locked = lockedPackages();
  const nameAndVersion = ({ name, version }: LockedPackage): string => `${name} ${version}`;
  const byLicence = (runs: boolean): string => {
    const groups = new Map<string, Set<string>>();
    for (const one of locked.filter((each) => each.runs === runs)) {
      const names = groups.get(one.licence ?? 'unknown') ?? new Set();
      groups.set(one.licence ?? 'unknown', names.add(nameAndVersion(one)));
    }
    return table(
      ['licence', 'packages'],
      [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([licence, names]) => [licence, [...names].join(', ')]),
    );
  };
  const unverified = locked.filter(({ integrity }) => integrity === undefined);
  const scripts = locked.filter(({ hasInstallScript }) => hasInstallScript);
  return `# Packages and their licences

From \`package-lock.json\`. As a bill of materials: [bom.cdx.json](bom.cdx.json) (CycloneDX 1.5). \`fonts/\` has licences of
its own (\`fonts/LICENSE-*\`). \`npm ci --ignore-scripts\` is enough: nothing netcheck needs is made by the install scripts
of ${scripts.map(nameAndVersion).join(', ')}.

## What is asked for, and why

${table(
  ['package', 'what for'],
  Object.entries(whyDependencies).map(([name, why]) => [`\`${name}\``, why]),
)}

## Old ones, and why they stay

Packages that have had no release for years, or whose authors have said that none will come.

${table(
  ['package', 'through', 'why it stays'],
  oldDependencies.map(({ names, through, why }) => [
    names.map((name) => `\`${name}\``).join(', '),
    `\`${through}\``,
    why,
  ]),
)}

## What runs

${byLicence(true)}

## What builds and tests

${byLicence(false)}

## Without a checksum in the lock file

Programs for systems on which the lock file was not made. npm installs one of them only on such a system, and then without
comparing it with anything: there, make the lock file anew first (\`npm install --package-lock-only\`).

${table(
  ['package', 'system'],
  unverified.map((one) => [nameAndVersion(one), one.os.join(', ')]),
)}
`;
}
