import { printable } from './layout.ts';

/** Text from a database can contain markup and control characters. */
export function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return printable(text).replace(/[&<>"]/g, (character) => entities[character] ?? '');
}
