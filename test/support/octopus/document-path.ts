/**
 * How a value's place in a document is written: a JSON pointer, `#2` after the second of two equal names, and `>`
 * where a string holds a JSON text of its own. Empty: the whole value.
 */

const escapes: Readonly<Record<string, string>> = { '~': '~0', '/': '~1', '#': '~2', '>': '~3' };

export function below(path: string, name: string | number, occurrence = 1): string {
  const step = String(name).replace(/[~/#>]/g, (character) => escapes[character] ?? '');
  return `${path}/${step}${occurrence > 1 ? `#${occurrence}` : ''}`;
}

export function inside(path: string): string {
  return `${path}>`;
}
