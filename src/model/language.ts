/** The two languages that reports, help and errors are written in. */
export const languages = ['en', 'zh'] as const;
export type Language = (typeof languages)[number];
