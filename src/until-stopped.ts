import type { NetcheckError } from './model/errors.ts';

/** Waits for a reason to end the process: a signal (status 0) or an error that only a restart can mend (status 70). */
export function untilStopped(): {
  readonly stopped: Promise<number>;
  readonly because: (error: NetcheckError) => void;
} {
  let stop: (status: number) => void = () => undefined;
  const stopped = new Promise<number>((resolve) => {
    stop = resolve;
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      stop(0);
      // A second signal means now.
      process.once(signal, () => process.exit(130));
    });
  process.on('unhandledRejection', (reason) => {
    // Bolt's socket code rejects into nothing when it is stopped in the middle of a reconnect; that alone is no reason to end.
    process.stderr.write(`netcheck: unhandled: ${reason instanceof Error ? reason.message : String(reason)}\n`);
  });
  return {
    stopped,
    because: (error) => {
      process.stderr.write(`netcheck: ${error.message}\n${error.hint}\n`);
      stop(70);
    },
  };
}
