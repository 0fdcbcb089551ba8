import { isUtf8 } from 'node:buffer';
import { any } from './any.ts';
import { type Document, MalformedDocument } from './document.ts';
import { type GzipMember, onlyMember, packed, unpacked } from './gzip-member.ts';

/**
 * A gzip of text, as bytes (one character each): SQL Server's COMPRESS of nvarchar (UTF-16LE without a byte order
 * mark), or UTF-8. The text inside is a document of type `any`. A gzip with more than one member, or with other bytes
 * after it, is not such a document: they would be lost when it is compressed again.
 */
export const gzip: Document = {
  name: 'gzip',
  leaves(value) {
    return any.leaves(unpack(value).text);
  },
  edit(value, edits) {
    const { member, text, encoding } = unpack(value);
    const edited = any.edit(text, edits);
    if (edited === text) return value;
    return packed({ ...member, inside: Buffer.from(edited, encoding) }).toString('latin1');
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

/**
 * The decompressed bytes of all members and the bytes after them, one character each. Other values are returned as they
 * are.
 */
export function unpackedBytes(value: string): string {
  return isGzip(value) ? unpacked(Buffer.from(value, 'latin1')).toString('latin1') : value;
}

interface Unpacked {
  readonly member: GzipMember;
  readonly text: string;
  readonly encoding: 'utf16le' | 'utf8';
}

function unpack(value: string): Unpacked {
  const member = onlyMember(Buffer.from(value, 'latin1'));
  if (member === undefined) throw new MalformedDocument('gzip', 0);
  const { inside: bytes } = member;
  // JSON begins with an ASCII character, whose second byte is zero in UTF-16LE, or with a byte order mark
  if (bytes.length % 2 === 0 && (bytes[1] === 0 || (bytes[0] === 0xff && bytes[1] === 0xfe)))
    return { member, text: bytes.toString('utf16le'), encoding: 'utf16le' };
  if (isUtf8(bytes)) return { member, text: bytes.toString('utf8'), encoding: 'utf8' };
  throw new MalformedDocument('gzip', 0);
}
