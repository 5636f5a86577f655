import { memoryHistory } from '../fakes/memory-history.ts';
import { contractBounds, historyContract } from './history-contract.ts';

historyContract('the memory of runs, on the fake', async () => ({
  history: memoryHistory(contractBounds),
  close: async () => undefined,
}));
