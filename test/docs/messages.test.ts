import { describe, expect, test } from '@jest/globals';
import { parseSync } from '@swc/core';
import { filesIn, pages, proseOf, textOf } from './pages.ts';

/** A message that a page quotes is one of the code, word for word; names and numbers are examples. */

/** The strings of a source, and its templates, in which anything may be inserted. */
function messagesOf(path: string): RegExp[] {
  const found: RegExp[] = [];
  const add = (parts: readonly string[]): void => {
    const words = parts.join(' ').match(/[A-Za-z]{2,}/g) ?? [];
    if (words.join('').length < 6) return;
    found.push(new RegExp(`^${parts.map(escaped).join('.*').trimEnd()}$`));
  };
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, value, quasis } = node as { type?: string; value?: string; quasis?: { cooked: string }[] };
    if (type === 'StringLiteral' && value !== undefined) add([value]);
    if (type === 'TemplateLiteral' && quasis !== undefined) add(quasis.map(({ cooked }) => cooked));
    for (const child of Object.values(node)) walk(child);
  };
  walk(parseSync(textOf(path), { syntax: 'typescript' }));
  return found;
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

const messages = filesIn('src')
  .filter((path) => path.endsWith('.ts'))
  .flatMap(messagesOf);

/** Printed in an example. */
function printed(page: string): string[] {
  return [
    ...textOf(page).matchAll(/^ *(?:keyturn: (?:error|hint): |(?=VERIFIED: |DRY RUN PASSED: ))(.+)$/gm),
  ].map(([, message = '']) => message);
}

/** In the middle of a sentence or a table: what is no command, and has several words. */
function inline(page: string): string[] {
  return [...proseOf(page).matchAll(/`([^`]+)`/g)]
    .map(([, code = '']) => code.replace(/\s+/g, ' '))
    .filter((code) => code.split(' ').length >= 4 && !/ --|^docker |^openssl /.test(code));
}

/** Words of a server, and of n8n. */
const others = [
  'permission denied for table …',
  'relation "keyturn_version" already exists',
  "Deployment key '…' cannot be read with this instance encryption key",
];

const quotes = [
  ...new Set([
    ...pages.flatMap(printed),
    ...['docs/n8n.md', 'docs/octopus.md', 'docs/what-if.md'].flatMap(inline),
  ]),
].filter((message) => !others.includes(message));

describe('a page quotes what keyturn prints', () => {
  test.each(quotes)('%s', (quote) => {
    expect(messages.some((message) => message.test(quote))).toBe(true);
  });

  test('and there are quotes', () => {
    expect(quotes.length).toBeGreaterThan(20);
  });
});
