import { encodings } from '../encoding.ts';
import { columnsShape } from './columns-shape.ts';
import type { Description } from './description.ts';
import { jsonShape } from './json-shape.ts';
import { unwrap, wrap, wrappedBeginning, wrappedLength } from './layers.ts';
import {
  bytesOf,
  decodePiece,
  divide,
  encodePiece,
  type Inner,
  joined,
  type Part,
  type PartName,
  type Piece,
  pieceOf,
  type Value,
  valueFrom,
} from './piece.ts';

export type Parsed =
  | { readonly value: Value }
  | {
      readonly failed: string /** It has the prefix or the beginning of this format. */;
      readonly marked: boolean;
    };

/** The layout of a described format. */
export class Shape {
  readonly #layers: Description['layers'];
  readonly #inner: Inner;
  /** With what every value begins; '': there is no fixed beginning. */
  readonly beginning: string;

  constructor(description: Description) {
    this.#layers = description.layers;
    this.#inner = innerOf(description);
    this.beginning = wrappedBeginning(this.#layers, this.#inner.beginning);
  }

  get pieces(): readonly Piece[] {
    return this.#inner.pieces;
  }

  get parts(): readonly Part[] {
    return this.pieces.flatMap(({ parts }) => parts);
  }

  parse(text: string): Parsed {
    const { contents, failed, prefixed } = unwrap(this.#layers, text);
    const marked = prefixed || (this.beginning !== '' && text.startsWith(this.beginning));
    if (failed !== null) return { failed, marked };
    const value = this.#inner.parse(contents.at(-1) ?? '');
    return typeof value === 'string' ? { failed: value, marked } : { value };
  }

  write(value: ReadonlyMap<PartName, Buffer>, like: string): string {
    const { contents } = unwrap(this.#layers, like);
    const complete = contents.length === this.#layers.length + 1;
    const content = this.#inner.write(value, complete ? (contents.at(-1) ?? '') : '');
    return wrap(this.#layers, content, contents);
  }

  length(ciphertextBytes: number): number {
    return wrappedLength(this.#layers, this.#inner.length(ciphertextBytes));
  }

  /** For the search inside other text: one run of characters of one encoding after the beginning. */
  get encoding(): keyof typeof encodings | undefined {
    const last = this.#layers.findLast((layer) => typeof layer === 'string');
    return this.#layers.some((layer) => typeof layer === 'object' && 'suffix' in layer) ? undefined : last;
  }
}

function innerOf({ parts, separated, json, columns }: Description): Inner {
  if (columns !== undefined) return columnsShape(columns);
  if (json !== undefined) return jsonShape(json);
  if (separated !== undefined)
    return separatedShape(
      separated.by,
      separated.parts.map((part) => pieceOf(part, 'text')),
    );
  return bytesShape(wholePiece(parts ?? []));
}

function wholePiece(parts: NonNullable<Description['parts']>): Piece {
  return { parts: parts.flatMap((part) => pieceOf(part, 'raw').parts), encoding: 'raw' };
}

/** Bytes one after the other. */
function bytesShape(piece: Piece): Inner {
  const first = piece.parts[0];
  return {
    pieces: [piece],
    beginning: first?.value ?? Buffer.alloc(0),
    parse(content) {
      const bytes = encodings.raw.decode(content);
      if (bytes === undefined) return 'not bytes';
      const found = divide(piece.parts, bytes);
      return typeof found === 'string' ? found : valueFrom([[piece.parts, found, null]]);
    },
    write: (value) => joined(piece.parts, value).toString('latin1'),
    length: (ciphertextBytes) => bytesOf(piece.parts, ciphertextBytes),
  };
}

/** Texts with something between them, each encoded on its own. */
function separatedShape(by: string, pieces: readonly Piece[]): Inner {
  const after = pieces.findIndex(({ parts }) => parts.length !== 1 || parts[0]?.value == null);
  const constants = pieces.slice(0, after).map(({ parts }) => `${parts[0]?.value}${by}`);
  return {
    pieces,
    beginning: Buffer.from(constants.join('')),
    parse(content) {
      const texts = textsIn(content, by, pieces);
      if (texts === null) return `${content.length} characters, too few for the parts`;
      if (texts.length !== pieces.length)
        return `${texts.length} parts with "${by}" between them where ${pieces.length} are expected`;
      const found: [readonly Part[], Buffer[], string][] = [];
      for (const [i, piece] of pieces.entries()) {
        const text = texts[i] ?? '';
        const bytes = decodePiece(piece, text);
        const name = piece.parts.map((part) => part.name).join(' + ');
        if (bytes === undefined) return `part ${i + 1} (${name}) is not canonical ${piece.encoding}`;
        const parts = divide(piece.parts, bytes);
        if (typeof parts === 'string') return `part ${i + 1} (${name}): ${parts}`;
        found.push([piece.parts, parts, text]);
      }
      return valueFrom(found);
    },
    write(value, like) {
      const likes = textsIn(like, by, pieces) ?? [];
      return pieces
        .map((piece, i) => encodePiece(piece, joined(piece.parts, value), likes[i] ?? ''))
        .join(by);
    },
    length(ciphertextBytes) {
      const lengths = pieces.map(({ parts, encoding }) =>
        encodings[encoding === 'text' ? 'raw' : encoding].length(bytesOf(parts, ciphertextBytes)),
      );
      return lengths.reduce((sum, each) => sum + each, by.length * (pieces.length - 1));
    },
  };
}

/** Without a separator, every text but one has a known length. Null: the content is too short. */
function textsIn(content: string, by: string, pieces: readonly Piece[]): string[] | null {
  if (by !== '') return content.split(by);
  const lengths = pieces.map(lengthOf);
  const rest = content.length - lengths.reduce<number>((sum, length) => sum + (length ?? 0), 0);
  if (rest < 0) return null;
  let at = 0;
  return lengths.map((length) => {
    const start = at;
    at += length ?? rest;
    return content.slice(start, at);
  });
}

/** Length in characters of a piece whose parts all have a length. Null: it may be of any length. */
export function lengthOf({ parts, encoding }: Piece): number | null {
  if (parts.some(({ bytes }) => bytes === null)) return null;
  return encodings[encoding === 'text' ? 'raw' : encoding].length(bytesOf(parts, 0));
}
