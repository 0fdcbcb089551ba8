import { describe, expect, test } from '@jest/globals';
import { parseSync } from '@swc/core';
import { filesIn, pages, textOf } from './pages.ts';

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

/** In the first column of n8n's table of errors. */
function listed(): string[] {
  const [, table = ''] = textOf('docs/n8n.md').split('## Troubleshooting');
  return [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, message = '']) => message),
  );
}

/** The server's own words. */
const others = ['permission denied for table …', 'relation "keyturn_version" already exists'];

const quotes = [...new Set([...pages.flatMap(printed), ...listed()])].filter(
  (message) => !others.includes(message),
);

describe('a page quotes what keyturn prints', () => {
  test.each(quotes)('%s', (quote) => {
    expect(messages.some((message) => message.test(quote))).toBe(true);
  });

  test('and there are quotes', () => {
    expect(quotes.length).toBeGreaterThan(20);
  });
});
