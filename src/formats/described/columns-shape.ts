import { encodings } from '../encoding.ts';
import type { ColumnText } from './description.ts';
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

/**
 * Parts in several columns of a row. The content is a JSON array with the text of each column (chunk/values/stored.ts), which says
 * where one ends, whatever is in it. Binary columns have one character per byte.
 */
export function columnsShape(columns: readonly ColumnText[]): Inner {
  const places = columns.map((column) => {
    const { part, prefix } = typeof column === 'string' ? { part: column, prefix: '' } : column;
    return { piece: pieceOf(part, 'base64'), prefix };
  });
  return {
    pieces: places.map(({ piece }) => piece),
    beginning: Buffer.alloc(0),
    parse(content) {
      const texts = textsOf(content);
      if (texts.length !== places.length)
        return `${texts.length} columns with text where ${places.length} are expected`;
      const found: [readonly Part[], Buffer[], string][] = [];
      for (const [i, { piece, prefix }] of places.entries()) {
        const text = texts[i] ?? '';
        if (!text.startsWith(prefix)) return `column ${i + 1} does not begin with "${prefix}"`;
        const bytes = decodePiece(piece, text.slice(prefix.length));
        if (bytes === undefined) return `column ${i + 1} is not canonical ${piece.encoding}`;
        const parts = divide(piece.parts, bytes);
        if (typeof parts === 'string') return `column ${i + 1}: ${parts}`;
        found.push([piece.parts, parts, text]);
      }
      return valueFrom(found);
    },
    write(value, like) {
      const likes = textsOf(like);
      return JSON.stringify(
        places.map(
          ({ piece, prefix }, i) =>
            prefix + encodePiece(piece, joined(piece.parts, value), (likes[i] ?? '').slice(prefix.length)),
        ),
      );
    },
    length(ciphertextBytes) {
      const lengths = places.map(({ piece: { parts, encoding }, prefix }) => {
        const length = encodings[encoding === 'text' ? 'raw' : encoding].length(
          bytesOf(parts, ciphertextBytes),
        );
        // As JSON: quotes and a comma, and at most two characters for a line end, six for a byte
        return 3 + prefix.length + length * (encoding === 'raw' || encoding === 'text' ? 6 : 2);
      });
      return lengths.reduce((sum, each) => sum + each, 2);
    },
  };
}

/** Empty: the content is not that of several columns, or one of them is NULL. */
function textsOf(content: string): string[] {
  if (!content.startsWith('[')) return [];
  try {
    const texts: unknown = JSON.parse(content);
    return Array.isArray(texts) && texts.every((text) => typeof text === 'string') ? texts : [];
  } catch {
    return [];
  }
}
