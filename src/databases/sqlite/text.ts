import { isUtf8 } from 'node:buffer';

/**
 * SQLite stores any bytes as text. What is no UTF-8 of them travels as a lone surrogate each (byte 0x80 as U+DC80, as
 * Python's `surrogateescape` does), which no valid text holds, so that every byte comes back.
 */
const escaped = 0xdc00;

/** What the driver puts in the place of bytes that are no UTF-8; an application may have stored the character itself. */
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

/** Bytes where a string cannot carry them. */
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

/** Of the valid character that these bytes begin with; 0: none. */
function characterBytes(bytes: Buffer): number {
  return [1, 2, 3, 4].find((length) => length <= bytes.length && isUtf8(bytes.subarray(0, length))) ?? 0;
}
