/** Where the adapter reports what an operator should know: connection lost and back, unsafe settings, lost locks. */
export type QueueLog = (level: 'info' | 'warn' | 'error', message: string) => void;
