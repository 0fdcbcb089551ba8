import { encodings } from '../encoding.ts';
import {
  bytesOf,
  decodePiece,
  divide,
  encodePiece,
  type Inner,
  joined,
  type Part,
  pieceOf,
  valueFrom,
} from './piece.ts';

type Json = { [name: string]: unknown };

/**
 * A JSON object whose members hold the parts, each encoded on its own; `h.iv` is a member of a member. Other members stay as
 * they are. The text must be what JSON.stringify makes of it, or PHP's json_encode, which escapes slashes, or a database's type
 * for JSON: only then can it be written again with all other bytes unchanged.
 */
export function jsonShape(members: Readonly<Record<string, string>>): Inner {
  const places = Object.entries(members).map(([path, text]) => ({
    path: path.split('.'),
    piece: pieceOf(text, 'base64'),
  }));
  const [first] = places;
  return {
    pieces: places.map(({ piece }) => piece),
    beginning: Buffer.from(first === undefined ? '' : beginningOf(first.path)),
    parse(content) {
      const object = read(content);
      if (typeof object === 'string') return object;
      const found: [readonly Part[], Buffer[], string][] = [];
      for (const { path, piece } of places) {
        const name = path.join('.');
        const text = at(object.json, path);
        if (typeof text !== 'string') return `the member ${name} is missing, or not a string`;
        const bytes = decodePiece(piece, text);
        if (bytes === undefined) return `the member ${name} is not canonical ${piece.encoding}`;
        const parts = divide(piece.parts, bytes);
        if (typeof parts === 'string') return `the member ${name}: ${parts}`;
        found.push([piece.parts, parts, text]);
      }
      return valueFrom(found);
    },
    write(value, like) {
      const old = like === '' ? undefined : read(like);
      const { json, write }: Read = typeof old === 'object' ? old : { json: {}, write: JSON.stringify };
      for (const { path, piece } of places) {
        const was = at(json, path);
        put(json, path, encodePiece(piece, joined(piece.parts, value), typeof was === 'string' ? was : ''));
      }
      return write(json);
    },
    length(ciphertextBytes) {
      const json: Json = {};
      for (const { path, piece } of places) {
        const bytes = bytesOf(piece.parts, ciphertextBytes);
        put(
          json,
          path,
          'x'.repeat(encodings[piece.encoding === 'text' ? 'raw' : piece.encoding].length(bytes)),
        );
      }
      // Other members stay as long as they are, which nothing here knows: Laravel's is `,"tag":""`
      return JSON.stringify(json).length + 16;
    },
  };
}

function beginningOf(path: readonly string[]): string {
  return `${path.map((name) => `{${JSON.stringify(name)}:`).join('')}"`;
}

interface Read {
  readonly json: Json;
  readonly write: (json: Json) => string;
}

const writers: readonly ((json: Json) => string)[] = [
  (json) => JSON.stringify(json),
  (json) => JSON.stringify(json).replaceAll('/', '\\/'),
  spaced,
];

/** As PostgreSQL's jsonb, MySQL's JSON and Python's json.dumps write it: a space after every comma and colon. */
function spaced(json: unknown): string {
  if (Array.isArray(json)) return `[${json.map(spaced).join(', ')}]`;
  if (typeof json !== 'object' || json === null) return JSON.stringify(json);
  const members = Object.entries(json).map(([name, value]) => `${JSON.stringify(name)}: ${spaced(value)}`);
  return `{${members.join(', ')}}`;
}

function read(content: string): Read | string {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    return 'not JSON';
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return 'not a JSON object';
  const write = writers.find((each) => each(json as Json) === content);
  return write === undefined
    ? 'JSON with white space or escapes that would not be kept'
    : { json: json as Json, write };
}

function at(json: Json, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (typeof value === 'object' && value !== null ? (value as Json)[name] : undefined),
    json,
  );
}

function put(json: Json, path: readonly string[], text: string): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) json[name] = text;
  else {
    json[name] ??= {};
    put(json[name] as Json, rest, text);
  }
}
