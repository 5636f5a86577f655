import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { oldDependencies, whyDependencies } from '../../docs/dependency-reasons.ts';
import { billOfMaterials, lockedPackages, type LockedPackage } from '../../docs/supply-chain.ts';

const root = path.join(import.meta.dirname, '..', '..');
const locked = lockedPackages();
const own = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

/** Free licences without a condition on what netcheck is published under. */
const accepted = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'Unlicense',
  'CC0-1.0',
  'MPL-2.0',
  'MIT OR Apache-2.0',
];

describe('what netcheck is made of', () => {
  it('has a known licence each, and one that may be used', () => {
    expect(locked.length).toBeGreaterThan(200);
    expect(
      locked.filter(({ licence }) => licence === undefined || !accepted.includes(licence)).map(({ place }) => place),
    ).toEqual([]);
  });

  it('is compared with a checksum when it is installed, but for programs of other systems', () => {
    const without = locked.filter(({ integrity }) => integrity === undefined);
    for (const { integrity } of locked)
      if (integrity !== undefined) expect(integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    // What is installed where netcheck runs and is built (Linux with glibc on x64 and arm64) always has one.
    expect(without.filter(({ optional, os }) => !optional || os.length === 0).map(({ place }) => place)).toEqual([]);
    expect(
      without
        .filter(({ os, name }) => os.includes('linux') && /(?:x64|arm64)(?:-gnu)?$/.test(name))
        .map(({ place }) => place),
    ).toEqual([]);
  });

  it('names no registry: whoever installs it chooses', () => {
    expect(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved":/);
  });

  it('is pinned, and everything that is asked for says what for', () => {
    const asked = { ...own.dependencies, ...own.devDependencies };
    for (const version of Object.values(asked)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(Object.keys(whyDependencies).sort()).toEqual(Object.keys(asked).sort());
  });

  it('has its old parts listed with the way they came by', () => {
    const byPlace = new Map(locked.map((one) => [one.place, one]));
    const reached = (from: string, seen = new Set<LockedPackage>()): ReadonlySet<LockedPackage> => {
      const one = byPlace.get(from);
      if (one === undefined || seen.has(one)) return seen;
      seen.add(one);
      for (const place of one.needs) reached(place, seen);
      return seen;
    };
    for (const { names, through } of oldDependencies) {
      const below = new Set([...reached(`node_modules/${through}`)].map(({ name }) => name));
      expect([through, names.filter((name) => !below.has(name))]).toEqual([through, []]);
    }
  });

  it('is in the bill of materials, each part once, with what it needs', () => {
    const bill = JSON.parse(billOfMaterials()) as {
      readonly components: readonly { readonly 'bom-ref': string; readonly scope: string }[];
      readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
    };
    const refs = bill.components.map((one) => one['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    expect(new Set(refs)).toEqual(
      new Set(locked.map(({ name, version }) => `pkg:npm/${name.replace('@', '%40')}@${version}`)),
    );
    const known = new Set([...refs, bill.dependencies[0]?.ref]);
    for (const { ref, dependsOn } of bill.dependencies)
      expect([ref, dependsOn.filter((one) => !known.has(one))]).toEqual([ref, []]);
    expect(bill.dependencies[0]?.dependsOn).toHaveLength(
      Object.keys({ ...own.dependencies, ...own.devDependencies }).length,
    );
    // what runs needs nothing that is only there to build and test
    const scope = new Map(bill.components.map((one) => [one['bom-ref'], one.scope]));
    for (const { ref, dependsOn } of bill.dependencies.slice(1))
      if (scope.get(ref) !== 'excluded')
        expect([ref, dependsOn.filter((one) => scope.get(one) === 'excluded')]).toEqual([ref, []]);
  });
});
