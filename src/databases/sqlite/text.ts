import { isUtf8 } from 'node:buffer';

/**
 * SQLite stores any bytes as text. Each byte that is not valid UTF-8 becomes a lone surrogate (byte 0x80 becomes U+DC80,
 * as in Python's `surrogateescape`). No valid text contains one, so every byte can be restored.
 */
const escaped = 0xdc00;

/** The driver replaces bytes that are not valid UTF-8 by it; an application may also have stored the character itself. */
export const replacement = '\ufffd';

export function decoded(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = characterBytes(bytes.subarray(at, at + 4));
    text +=
      length === 0
        ? String.fromCharCode(escaped + (bytes[at] ?? 0))
        : bytes.toString('utf8', at, at + length);
    at += Math.max(length, 1);
  }
  return text;
}

const escapes = /([\udc80-\udcff]+)/u;

/** A buffer if a string cannot hold the bytes. */
export function encoded(text: string): string | Buffer {
  if (!escapes.test(text)) return text;
  return Buffer.concat(
    text
      .split(escapes)
      .map((part, i) =>
        i % 2 === 0 ? Buffer.from(part) : Buffer.from(Array.from(part, (c) => c.charCodeAt(0) - escaped)),
      ),
  );
}

/** Length of the valid character that these bytes begin with; 0: there is none. */
function characterBytes(bytes: Buffer): number {
  return [1, 2, 3, 4].find((length) => length <= bytes.length && isUtf8(bytes.subarray(0, length))) ?? 0;
}
