import { below, inside } from './document-path.ts';

/** A string in a JSON text, at every level of JSON in strings. */
export interface Leaf {
  readonly value: string;
  /** Where its token stands in the outermost text, quotes included. */
  readonly start: number;
  readonly end: number;
}

/** Every string leaf by its path. Throws where the text is not JSON. */
export function leavesOf(text: string): Map<string, Leaf> {
  // The platform says what is JSON; the scanner below only where its strings are.
  JSON.parse(text);
  const leaves = new Map<string, Leaf>();
  scan(text, '', (offset) => offset, leaves);
  return leaves;
}

type Position = (offset: number) => number;

function scan(text: string, root: string, position: Position, leaves: Map<string, Leaf>): void {
  let at = 0;
  const skip = (): string => {
    while (/\s/.test(text[at] ?? '')) at++;
    return text[at] ?? '';
  };
  const token = (): string => {
    const start = at++;
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    return text.slice(start, ++at);
  };
  const string = (path: string): void => {
    skip();
    const start = at;
    const raw = token();
    const value: string = JSON.parse(raw);
    leaves.set(path, { value, start: position(start), end: position(at) });
    if (!/^\s*[[{]/.test(value) || !isJson(value)) return;
    const offsets = offsetsOf(raw);
    scan(value, inside(path), (offset) => position(start + (offsets[offset] ?? 0)), leaves);
  };
  const items = (close: string, item: (index: number) => void): void => {
    at++;
    for (let index = 0; skip() !== close; index++) {
      if (text[at] === ',') at++;
      item(index);
    }
    at++;
  };
  const value = (path: string): void => {
    const first = skip();
    if (first === '"') string(path);
    else if (first === '[') items(']', (index) => value(below(path, index)));
    else if (first === '{') {
      const seen = new Map<string, number>();
      items('}', () => {
        skip();
        const name: string = JSON.parse(token());
        const occurrence = (seen.get(name) ?? 0) + 1;
        seen.set(name, occurrence);
        skip();
        at++;
        value(below(path, name, occurrence));
      });
    } else while (/[^\s,\]}]/.test(text[at] ?? ' ')) at++;
  };
  value(root);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Where in a string's token each of its characters, and its end, is written. */
function offsetsOf(raw: string): number[] {
  const offsets: number[] = [];
  for (let at = 1; at < raw.length - 1; ) {
    offsets.push(at);
    at += raw[at] !== '\\' ? 1 : raw[at + 1] === 'u' ? 6 : 2;
  }
  return [...offsets, raw.length - 1];
}
