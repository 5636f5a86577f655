import { createSshTransport } from '../../src/adapters/ssh/ssh-transport.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { startFakeSshServer } from '../fakes/ssh-server.ts';
import { createScriptedTransport } from '../fakes/transport.ts';
import { contractAnswers, contractCommands, transportContract } from './transport-contract.ts';

transportContract('SSH adapter on an in-process SSH server', async () => {
  const server = await startFakeSshServer();
  return {
    transport: createSshTransport({ identityFiles: [server.identityFile], knownHostsFiles: [server.knownHostsFile] }),
    node: InventoryNode.parse({ name: 'node-1', address: '127.0.0.1', port: server.port, user: 'carol' }),
    nodeThatIsDown: InventoryNode.parse({ name: 'node-2', address: '127.0.0.1', port: 1, user: 'carol' }),
    cut: () => server.cut(),
    stop: () => server.stop(),
  };
});

transportContract('scripted transport', async () => {
  const half = contractAnswers.long.indexOf('line 10000\n');
  const transport = createScriptedTransport([
    {
      name: 'node-1',
      replies: [
        [contractCommands.speaks, { stdout: 'out\n', stderr: 'err\n', exit: 3 }],
        [
          contractCommands.allBytes,
          { stdout: [contractAnswers.allBytes.slice(0, 100), contractAnswers.allBytes.slice(100)] },
        ],
        [contractCommands.arguments, { stdout: contractAnswers.arguments }],
        [contractCommands.readyThenHangs, { stdout: 'ready\n', hang: true }],
        [contractCommands.endless, { stdout: '0123456789\n', endless: true }],
        [contractCommands.long, { stdout: [contractAnswers.long.slice(0, half), contractAnswers.long.slice(half)] }],
      ],
    },
  ]);
  return {
    transport,
    node: InventoryNode.parse({ name: 'node-1', address: '127.0.0.1' }),
    nodeThatIsDown: InventoryNode.parse({ name: 'node-2', address: '127.0.0.1' }),
    cut: () => transport.cut('node-1'),
    stop: async () => {},
  };
});
