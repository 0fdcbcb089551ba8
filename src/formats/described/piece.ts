import { type EncodingName, encodings } from '../encoding.ts';
import type { PieceText } from './description.ts';

export const partNames = ['iv', 'salt', 'ciphertext', 'tag', 'mac', 'key-id', 'kept'] as const;
export type PartName = (typeof partNames)[number];

export interface Part {
  readonly name: PartName | 'constant';
  /** Null: the rest. Only the ciphertext, and what is kept, may be of any length. */
  readonly bytes: number | null;
  /** Of a constant. */
  readonly value: Buffer | null;
}

/** Parts that are encoded together. */
export interface Piece {
  readonly parts: readonly Part[];
  readonly encoding: EncodingName | 'text';
}

/** What a value consists of. */
export interface Value {
  readonly bytes: ReadonlyMap<PartName, Buffer>;
  /** As they are stored: the text of the piece that a part is alone in. */
  readonly texts: ReadonlyMap<PartName, string>;
}

/** The content of the layers: where the parts of a value are. */
export interface Inner {
  readonly pieces: readonly Piece[];
  /** A text: why it is not of this layout. */
  parse(content: string): Value | string;
  /** @param like the old content */
  write(value: ReadonlyMap<PartName, Buffer>, like: string): string;
  /** What every content begins with. */
  readonly beginning: Buffer;
  /** In bytes, with that many bytes of ciphertext. */
  length(ciphertextBytes: number): number;
}

const pieceShape =
  /^(?<parts>[a-z-]+( \d+)?( \+ [a-z-]+( \d+)?)*)( (?<encoding>base64|base64url|hex|raw|pack-m|text))?$/;

/** @throws RangeError with what is wrong with the text of a piece. */
export function pieceOf(text: PieceText, encoding: EncodingName | 'text'): Piece {
  if (typeof text !== 'string') {
    const value = 'text' in text ? Buffer.from(text.text) : Buffer.from(text.hex, 'hex');
    return { parts: [{ name: 'constant', bytes: value.length, value }], encoding: 'text' };
  }
  const found = pieceShape.exec(text)?.groups;
  if (found?.parts === undefined)
    throw new RangeError(`"${text}" is not a part: write a name and its length in bytes, such as "iv 16"`);
  const parts = found.parts.split(' + ').map(partOf);
  if (parts.filter(({ bytes }) => bytes === null).length > 1)
    throw new RangeError(`"${text}" has two parts without a length`);
  return { parts, encoding: (found.encoding as EncodingName | undefined) ?? encoding };
}

function partOf(text: string): Part {
  const [name = '', bytes] = text.split(' ');
  if (!(partNames as readonly string[]).includes(name))
    throw new RangeError(`"${name}" is not a part: known parts are ${partNames.join(', ')}`);
  if (bytes === undefined && name !== 'ciphertext' && name !== 'kept')
    throw new RangeError(`"${name}" needs its length in bytes, such as "${name} 16"`);
  return { name: name as PartName, bytes: bytes === undefined ? null : Number(bytes), value: null };
}

export function decodePiece({ encoding }: Piece, text: string): Buffer | undefined {
  return encodings[encoding === 'text' ? 'raw' : encoding].decode(text);
}

export function encodePiece({ encoding }: Piece, bytes: Buffer, like: string): string {
  return encodings[encoding === 'text' ? 'raw' : encoding].encode(bytes, like);
}

/** The bytes of each part; a text: why they are not of this layout. */
export function divide(parts: readonly Part[], bytes: Buffer): Buffer[] | string {
  const fixed = parts.reduce((sum, part) => sum + (part.bytes ?? 0), 0);
  const open = parts.some((part) => part.bytes === null);
  if (open ? bytes.length < fixed : bytes.length !== fixed) {
    const names = parts.map(({ name, bytes: length }) => `${name}${length === null ? '' : ` ${length}`}`);
    return `${bytes.length} bytes where ${open ? 'at least ' : ''}${fixed} are expected (${names.join(', ')})`;
  }
  const pieces: Buffer[] = [];
  let at = 0;
  for (const part of parts) {
    const end = at + (part.bytes ?? bytes.length - fixed);
    const piece = bytes.subarray(at, end);
    if (part.value !== null && !part.value.equals(piece)) return `the constant at byte ${at} differs`;
    pieces.push(piece);
    at = end;
  }
  return pieces;
}

/** The bytes of the parts of a piece, one after the other. */
export function joined(parts: readonly Part[], value: ReadonlyMap<PartName, Buffer>): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      const bytes = part.value ?? (part.name === 'constant' ? undefined : value.get(part.name));
      if (bytes === undefined) throw new Error(`a value without its ${part.name}`);
      return bytes;
    }),
  );
}

export function bytesOf(parts: readonly Part[], ciphertextBytes: number): number {
  return parts.reduce((sum, part) => sum + (part.bytes ?? ciphertextBytes), 0);
}

/** @param found parts with their bytes, and the text that they are encoded in */
export function valueFrom(
  found: readonly (readonly [readonly Part[], readonly Buffer[], string | null])[],
): Value {
  const bytes = new Map<PartName, Buffer>();
  const texts = new Map<PartName, string>();
  for (const [parts, all, text] of found)
    parts.forEach(({ name }, i) => {
      if (name === 'constant') return;
      bytes.set(name, all[i] as Buffer);
      if (text !== null && parts.length === 1) texts.set(name, text);
    });
  return { bytes, texts };
}
