/** Sentence of the rules that judge TCP's own machinery. */
export const tcpOnlyText = {
  en: { tcpOnly: 'The question is about UDP; this fault exists only for TCP.' },
  zh: { tcpOnly: '这次查的是 UDP，此故障只存在于 TCP。' },
} as const;
