import type { AnyRule } from '../model/rule.ts';
import { acceptQueueOverflow } from './accept-queue-overflow.ts';
import { expect } from './expect.ts';
import { fwInputDrop } from './fw-input-drop.ts';
import { fwReject } from './fw-reject.ts';
import { ipForwardOff } from './ip-forward-off.ts';
import { loopbackOnly } from './loopback-only.ts';
import { neighFailed } from './neigh-failed.ts';
import { pathDrop } from './path-drop.ts';
import { portClosed } from './port-closed.ts';
import { synQueueOverflow } from './syn-queue-overflow.ts';
import { twRecycle } from './tw-recycle.ts';

const all: readonly AnyRule[] = [
  twRecycle,
  acceptQueueOverflow,
  synQueueOverflow,
  ipForwardOff,
  fwInputDrop,
  fwReject,
  pathDrop,
  neighFailed,
  portClosed,
  loopbackOnly,
  expect,
];

/** Every rule, by id. A playbook picks from these; a report shows findings of equal weight in this order. */
export const rules: ReadonlyMap<string, AnyRule> = new Map(all.map((rule) => [rule.id, rule]));
