import { type Logger, LogLevel } from '@slack/bolt';

/** Bolt's warnings and errors as lines of our log. Its debug output holds message bodies and stays off. */
export function boltLogger(log: (line: string) => void): Logger {
  const line = (...parts: unknown[]) => log(`slack: ${parts.map(String).join(' ')}`);
  return {
    debug() {},
    info() {},
    warn: line,
    error: line,
    setLevel() {},
    getLevel: () => LogLevel.WARN,
    setName() {},
  };
}
