const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Text for HTML and SVG, between tags and inside quoted attributes. What XML 1.0 does not allow (2.2: U+FFFE, U+FFFF)
 * becomes U+FFFD; control characters are `visibleText`'s business.
 */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character).replace(/[\ufffe\uffff]/g, '\ufffd');
}
