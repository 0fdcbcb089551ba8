import { crc32, gzipSync, inflateRawSync } from 'node:zlib';

/** More than any document needs; a value that decompresses to more is not a document. */
const largest = 256 * 1024 * 1024;
const fixedBytes = 10;
const trailerBytes = 8;

/** One member of a gzip (RFC 1952). Other members, or any other bytes, may follow. */
export interface GzipMember {
  readonly header: Buffer;
  readonly inside: Buffer;
}

/** Undefined unless the bytes are exactly one intact member, which can be compressed again without loss. */
export function onlyMember(bytes: Buffer): GzipMember | undefined {
  const first = firstMember(bytes);
  if (first === undefined) return undefined;
  const { inside, trailer } = first;
  const intact =
    trailer.length === trailerBytes &&
    trailer.readUInt32LE(0) === crc32(inside) &&
    trailer.readUInt32LE(4) === inside.length;
  return intact ? first : undefined;
}

/** The decompressed content of all members, and the bytes after them. */
export function unpacked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  let rest = bytes;
  let left = largest;
  for (;;) {
    const member = firstMember(rest, left);
    if (member === undefined) return Buffer.concat([...parts, rest]);
    parts.push(member.inside);
    left -= member.inside.length;
    rest = member.trailer.subarray(trailerBytes);
  }
}

/** Compresses the content again; name, time and the rest of the header are kept. */
export function packed({ header, inside }: GzipMember): Buffer {
  return Buffer.concat([header, gzipSync(inside).subarray(fixedBytes)]);
}

/** `trailer`: everything after the compressed data. */
function firstMember(
  bytes: Buffer,
  maxOutputLength = largest,
): (GzipMember & { readonly trailer: Buffer }) | undefined {
  const start = headerLength(bytes);
  if (start === undefined) return undefined;
  try {
    // `info` adds where the compressed data ends; the type declarations lack it
    const result: unknown = inflateRawSync(bytes.subarray(start), { maxOutputLength, info: true });
    const { buffer: inside, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
    return { header: bytes.subarray(0, start), inside, trailer: bytes.subarray(start + engine.bytesWritten) };
  } catch {
    return undefined;
  }
}

/** RFC 1952, section 2.3.1; undefined if the bytes do not begin with such a header. */
function headerLength(bytes: Buffer): number | undefined {
  const flags = bytes[3] ?? 0;
  if (bytes.length < fixedBytes || bytes.readUIntBE(0, 3) !== 0x1f8b08 || flags > 0x1f) return undefined;
  let end = fixedBytes;
  if (flags & 0x04) {
    if (bytes.length < end + 2) return undefined;
    end += 2 + bytes.readUInt16LE(end);
  }
  for (const texts of [0x08, 0x10]) {
    if ((flags & texts) === 0) continue;
    const zero = bytes.indexOf(0, end);
    if (zero < 0) return undefined;
    end = zero + 1;
  }
  if (flags & 0x02) end += 2;
  return end <= bytes.length ? end : undefined;
}
