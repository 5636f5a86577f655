import type { HandleRun } from './bull-worker.ts';

/** How many runs this process is busy with: audits make room for them. */
export interface RunsInHand {
  readonly size: number;
  onChange(listener: () => void): void;
  /** The same handler, counted. */
  counted(handle: HandleRun): HandleRun;
}

export function createRunsInHand(): RunsInHand {
  let size = 0;
  const listeners: (() => void)[] = [];
  const change = (by: 1 | -1): void => {
    size += by;
    for (const listener of listeners) listener();
  };
  return {
    get size() {
      return size;
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
    counted: (handle) => async (request, context) => {
      change(1);
      try {
        await handle(request, context);
      } finally {
        change(-1);
      }
    },
  };
}
