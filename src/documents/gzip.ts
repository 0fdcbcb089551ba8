import { isUtf8 } from 'node:buffer';
import { gunzipSync, gzipSync } from 'node:zlib';
import { any } from './any.ts';
import { type Document, MalformedDocument } from './document.ts';

/** No document is larger; a small value that unpacks to more is no document. */
const largest = 256 * 1024 * 1024;

/**
 * A gzip of text, as bytes (one character each): SQL Server's COMPRESS of nvarchar (UTF-16LE without a byte order mark),
 * or UTF-8. Inside it is like any text.
 */
export const gzip: Document = {
  name: 'gzip',
  leaves(value) {
    return any.leaves(unpack(value).text);
  },
  edit(value, edits) {
    const { text, encoding } = unpack(value);
    const edited = any.edit(text, edits);
    return edited === text ? value : gzipSync(Buffer.from(edited, encoding)).toString('latin1');
  },
  read(value) {
    return any.read(unpack(value).text);
  },
  siblings(value, path) {
    return any.siblings(unpack(value).text, path);
  },
};

/** By its magic number (RFC 1952). */
export function isGzip(value: string): boolean {
  return value.startsWith('\x1f\x8b\x08');
}

/** The bytes inside, one character each, whatever they are; of what is no gzip its own. */
export function inside(value: string): string {
  return (isGzip(value) ? inflated(value)?.toString('latin1') : undefined) ?? value;
}

interface Unpacked {
  readonly text: string;
  readonly encoding: 'utf16le' | 'utf8';
}

function unpack(value: string): Unpacked {
  const bytes = inflated(value);
  if (bytes === undefined) throw new MalformedDocument('gzip', 0);
  // JSON begins with an ASCII character, whose second byte is zero in UTF-16LE, or with a byte order mark
  if (bytes.length % 2 === 0 && (bytes[1] === 0 || (bytes[0] === 0xff && bytes[1] === 0xfe)))
    return { text: bytes.toString('utf16le'), encoding: 'utf16le' };
  if (isUtf8(bytes)) return { text: bytes.toString('utf8'), encoding: 'utf8' };
  throw new MalformedDocument('gzip', 0);
}

/** Undefined when it is no whole gzip. */
function inflated(value: string): Buffer | undefined {
  try {
    return gunzipSync(Buffer.from(value, 'latin1'), { maxOutputLength: largest });
  } catch {
    return undefined;
  }
}
