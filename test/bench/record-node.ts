import { createMemorySink } from '../../src/adapters/files/memory-sink.ts';
import { createSshTransport } from '../../src/adapters/ssh/ssh-transport.ts';
import { auditNode } from '../../src/engine/audit-node.ts';
import { defaultAuditPlaybook } from '../../src/engine/plan-audit.ts';
import type { CommandResult, NodeTransport } from '../../src/engine/ports.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import type { NodeAudit } from '../../src/model/node-audit.ts';
import { readRegistries } from '../../src/load-registries.ts';
import { parsers } from '../../src/parsers/index.ts';
import type { Lab } from '../lab/network.ts';

/** What one real node answered to every command of an audit: enough to be given again under other names. */
export interface RecordedNode {
  readonly node: InventoryNode;
  readonly answers: readonly (readonly [
    key: string,
    answer: { readonly exit: CommandResult['exit']; readonly stdout: string; readonly stderr: string },
  ])[];
}

/** Audits one node of the practice network over SSH and writes down every answer. */
export async function recordNode(lab: Lab, name: string): Promise<{ recorded: RecordedNode; audit: NodeAudit }> {
  const { definition } = lab.node(name);
  const node = InventoryNode.parse({ name, address: definition.management, user: 'root' });
  const transport = createSshTransport({ identityFiles: [lab.identityFile], knownHostsFiles: [lab.knownHostsFile] });
  const answers = new Map<string, { exit: CommandResult['exit']; stdout: string; stderr: string }>();
  const recording: NodeTransport = {
    async connect(asked, options) {
      const connected = await transport.connect(asked, options);
      if (!connected.ok) throw new Error(connected.exit.message);
      const { connection } = connected;
      return {
        ok: true,
        connection: {
          async run(command, runOptions) {
            const result = await connection.run(command, runOptions);
            answers.set(JSON.stringify([command.argv, command.privilege]), {
              exit: result.exit,
              stdout: Buffer.from(result.stdout).toString('base64'),
              stderr: Buffer.from(result.stderr).toString('base64'),
            });
            return result;
          },
          close: () => connection.close(),
        },
      };
    },
    close: () => transport.close(),
  };
  const { registries } = await readRegistries(undefined);
  const audit = await auditNode(
    { audit: 'recording', node: name, playbook: defaultAuditPlaybook, language: 'en', labels: {} },
    node,
    { ...registries, parsers },
    {
      transport: recording,
      slots: { acquire: async () => ({ release: async () => undefined }) },
      sink: createMemorySink(),
      redact: (bytes) => bytes,
      now: Date.now,
    },
    { signal: new AbortController().signal, netcheck: 'bench' },
  );
  await transport.close();
  if (audit.outcome !== 'looked') throw new Error(`${name} could not be recorded: ${audit.why ?? ''}`);
  return { recorded: { node, answers: [...answers] }, audit };
}
