/** Lets a bounded number in at once; the rest waits in the order of arrival. */
export interface Gate {
  /**
   * @returns a function that makes room again; calling it twice does nothing more
   * @throws the signal's reason when it is aborted before there was room
   */
  enter(signal: AbortSignal): Promise<() => void>;
  /** How many are in or waiting. */
  readonly size: number;
}

export function createGate(max: number): Gate {
  let inside = 0;
  const waiting: (() => void)[] = [];

  const leaveOnce = (): (() => void) => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      inside -= 1;
      waiting.shift()?.();
    };
  };

  return {
    get size() {
      return inside + waiting.length;
    },
    enter(signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        const letIn = (): void => {
          signal.removeEventListener('abort', giveUp);
          inside += 1;
          resolve(leaveOnce());
        };
        const giveUp = (): void => {
          const at = waiting.indexOf(letIn);
          if (at >= 0) waiting.splice(at, 1);
          reject(signal.reason);
        };
        if (inside < max) {
          letIn();
          return;
        }
        waiting.push(letIn);
        signal.addEventListener('abort', giveUp, { once: true });
      });
    },
  };
}
