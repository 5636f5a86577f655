/** Risk of a remedy that is a change of a program, to be spread into a rule's text. */
export const codeRiskText = {
  en: { codeRisk: 'Low: a change of the application, with its next release' },
  zh: { codeRisk: '低：需要改动应用，随下一个版本发布' },
} as const;
