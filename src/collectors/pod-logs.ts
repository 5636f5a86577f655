import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** Where the kubelet keeps a directory of logs for each pod of the node, whatever runtime it has (kuberuntime/helpers.go). */
export const podLogs = defineCollector({
  id: 'pod-logs',
  purpose: 'finds the pods of a node where the Kubernetes API cannot be asked',
  params: z.strictObject({}),
  when: 'last',
  provides: [],
  commands: () => [
    // newer kubelets let only root look into it
    {
      argv: ['ls', '-1', '/var/log/pods'],
      privilege: 'root',
      timeoutMs: 5000,
      maxBytes: 1_048_576,
      kind: 'pod-logs',
    },
  ],
});
