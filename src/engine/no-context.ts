import { type CollectContext, nothingLearned } from '../model/command.ts';
import { Budget } from '../model/plan.ts';

/** For collectors whose commands do not depend on what is asked: the look, namespaces, addresses. */
export const noContext: CollectContext = {
  target: '',
  port: 1,
  protocol: 'tcp',
  clientAddresses: [],
  ownAddresses: [],
  roles: [],
  targetNames: [],
  learned: nothingLearned,
  budget: Budget.parse({}),
};
