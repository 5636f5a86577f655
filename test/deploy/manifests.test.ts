import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { parseConfig } from '../../src/config.ts';

const folder = fileURLToPath(new URL('../../deploy/', import.meta.url));
const load = createRequire(import.meta.url);

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

const files = readdirSync(folder).filter((name) => name.endsWith('.yaml') && name !== 'netcheck.yaml');
const manifests = files.flatMap((file) =>
  parseAllDocuments(readFileSync(`${folder}${file}`, 'utf8')).map(
    (document) => [file, document.toJS() as Manifest] as const,
  ),
);
// oxlint-disable-next-line typescript/no-explicit-any -- the same
const named = (kind: string, name: string): Record<string, any> => {
  const found = manifests.find(([, one]) => one.kind === kind && one.metadata?.name === name)?.[1];
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
};

/** Throws with the path and the reason where the object is not what the published OpenAPI document says. */
function validate(manifest: Manifest): void {
  const model = load(`kubernetes-models/${manifest.apiVersion}/${manifest.kind}`) as Record<
    string,
    new (
      data: unknown,
    ) => { validate(): void }
  >;
  const Kind = model[manifest.kind];
  if (Kind === undefined) throw new Error(`${manifest.apiVersion} has no ${manifest.kind}`);
  new Kind(manifest).validate();
}

describe('the manifests of deploy/', () => {
  const kustomization = parse(readFileSync(`${folder}kustomization.yaml`, 'utf8')) as Record<string, unknown>;
  const objects = manifests.filter(([file]) => file !== 'kustomization.yaml');

  it.each(objects.map(([file, one]) => [`${one.kind} ${one.metadata.name}`, file, one] as const))(
    '%s (%s) is what the published schema of Kubernetes says',
    (_, _file, manifest) => {
      expect(() => validate(manifest)).not.toThrow();
    },
  );

  it('a mistake in one would be seen', () => {
    const wrong = structuredClone(named('Deployment', 'worker'));
    wrong['spec'].replicas = 'two';
    expect(() => validate(wrong as Manifest)).toThrow();
  });

  it('kustomization.yaml names every one of them, and nothing else', () => {
    expect([...(kustomization['resources'] as string[])].sort()).toEqual(
      files.filter((file) => file !== 'kustomization.yaml').sort(),
    );
  });

  it('netcheck may read what it looks up, and nothing more', () => {
    const { rules } = named('ClusterRole', 'netcheck') as { rules: { resources: string[]; verbs: string[] }[] };
    expect(rules.flatMap(({ resources }) => resources).sort()).toEqual([
      'configmaps',
      'daemonsets',
      'deployments',
      'endpoints',
      'endpointslices',
      'events',
      'ingresses',
      'installations',
      'namespaces',
      'networkpolicies',
      'nodes',
      'pods',
      'services',
    ]);
    expect(new Set(rules.flatMap(({ verbs }) => verbs))).toEqual(new Set(['get', 'list']));
  });

  it.each(['Deployment bot', 'Deployment worker', 'StatefulSet redis'])('%s runs without any privilege', (what) => {
    const [kind = '', name = ''] = what.split(' ');
    const { securityContext, containers } = named(kind, name)['spec'].template.spec;
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const container of containers) {
      expect(container.securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.resources.limits.memory).toBeDefined();
    }
  });

  it('what pods mount is there: config maps, secrets and volumes have the names of the generators', () => {
    const made = ['configMapGenerator', 'secretGenerator'].flatMap((key) =>
      (kustomization[key] as { name: string }[]).map(({ name }) => name),
    );
    for (const name of ['bot', 'worker']) {
      const { volumes, containers } = named('Deployment', name)['spec'].template.spec;
      for (const { configMap, secret } of volumes)
        if (configMap ?? secret) expect(made).toContain(configMap?.name ?? secret?.secretName);
      const [container] = containers;
      expect(container.envFrom).toEqual([{ secretRef: { name: 'netcheck-slack' } }]);
      expect(container.volumeMounts.map(({ name: volume }: { name: string }) => volume)).toEqual(
        volumes.map(({ name: volume }: { name: string }) => volume),
      );
    }
  });

  it('its netcheck.yaml is a configuration', () => {
    const config = parseConfig(readFileSync(`${folder}netcheck.yaml`, 'utf8'), 'deploy/netcheck.yaml');
    expect(config.kubernetes).toEqual({});
  });
});
