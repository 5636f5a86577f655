import { createFakeQueueServer } from '../fakes/queue.ts';
import { queueContract } from './queue-contract.ts';

queueContract('the queue contract, on the fake', async () => {
  const server = createFakeQueueServer({ maxCrashes: 1 });
  return {
    connect: async () => server.connect(),
    crashMidRun: async () => server.crashMidRun(),
    cut: async () => server.cut(),
    mend: async () => server.mend(),
    close: async () => undefined,
  };
});
