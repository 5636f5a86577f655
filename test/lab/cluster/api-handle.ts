import { type ApiObject, type ApiTrouble, fakeCa, startFakeApiServer } from '../../fakes/kubernetes/fake-api-server.ts';
import type { Executed, LabNodeHandle, LabStep } from '../network.ts';
import { clusterObjects } from './objects.ts';

/** Steps on this name are done to the API server: {@link apiTrouble}, {@link apiSays}, {@link apiAsBefore}. */
export const api = 'api';
const token = 'of-the-lab';

const step = (...run: readonly string[]): LabStep => ({ on: api, run });
export const apiTrouble = (trouble: ApiTrouble): LabStep => step('trouble', trouble);
/** Every answer comes after so long. */
export const apiSlow = (delayMs: number): LabStep => step('delay', String(delayMs));
/** An object that is not, or no longer, true. */
export const apiSays = (object: ApiObject): LabStep => step('say', JSON.stringify(object));
/** Answers again, at once and the truth. Fails when netcheck has asked for anything but to read. */
export const apiAsBefore: LabStep = step('as-before');

export interface ClusterApi {
  readonly handle: LabNodeHandle;
  readonly kubeconfig: object;
  close(): Promise<void>;
}

/** The API of the cluster: HTTPS on loopback, a bearer token, objects of the lab. It runs in the process of the tests. */
export async function startClusterApi(): Promise<ClusterApi> {
  const objects: ApiObject[] = [...clusterObjects];
  const fake = await startFakeApiServer(objects);
  fake.tokens.clear();
  fake.tokens.add(token);
  const same = (one: ApiObject, other: ApiObject): boolean =>
    one.kind === other.kind &&
    one.metadata.name === other.metadata.name &&
    one.metadata.namespace === other.metadata.namespace;
  const verbs: Readonly<Record<string, (value: string) => string>> = {
    trouble: (value) => {
      fake.trouble = value as ApiTrouble;
      return '';
    },
    delay: (value) => {
      fake.delayMs = Number(value);
      return '';
    },
    say: (value) => {
      const object = JSON.parse(value) as ApiObject;
      const at = objects.findIndex((one) => same(one, object));
      if (at < 0) return `there is no ${object.kind} ${object.metadata.name}`;
      objects[at] = object;
      return '';
    },
    'as-before': () => {
      fake.trouble = 'none';
      fake.delayMs = 0;
      objects.splice(0, objects.length, ...clusterObjects);
      const wrote = fake.asked.filter((request) => !request.startsWith('GET '));
      return wrote.length === 0 ? '' : `netcheck did not only read: ${wrote.join(', ')}`;
    },
  };
  const unable = async (): Promise<never> => {
    throw new Error('the API server is no node');
  };
  return {
    handle: {
      name: api,
      definition: { name: api, interfaces: [] },
      exec: async ([verb = '', value = '']): Promise<Executed> => {
        const stderr = verbs[verb]?.(value) ?? `the API server cannot ${verb}`;
        return { code: stderr === '' ? 0 : 1, stdout: '', stderr };
      },
      start: unable,
      stop: unable,
    },
    kubeconfig: {
      'current-context': 'lab',
      clusters: [
        {
          name: 'lab',
          cluster: { server: fake.server, 'certificate-authority-data': Buffer.from(fakeCa).toString('base64') },
        },
      ],
      users: [{ name: 'netcheck', user: { token } }],
      contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'netcheck', namespace: 'shop' } }],
    },
    close: () => fake.close(),
  };
}
