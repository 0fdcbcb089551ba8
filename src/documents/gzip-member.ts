import { crc32, gzipSync, inflateRawSync } from 'node:zlib';

/** No document is larger; a small value that unpacks to more is no document. */
const largest = 256 * 1024 * 1024;
const fixedBytes = 10;
const trailerBytes = 8;

/** One member of a gzip (RFC 1952); there may be several, or anything else, behind it. */
export interface GzipMember {
  readonly header: Buffer;
  readonly inside: Buffer;
}

/** Undefined unless it is a gzip of one member and nothing else, whole and intact: that can be packed again without loss. */
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

/** What is inside all members, and whatever stands behind them. */
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

/** The name, time and other things that the header tells stay. */
export function packed({ header, inside }: GzipMember): Buffer {
  return Buffer.concat([header, gzipSync(inside).subarray(fixedBytes)]);
}

/** `trailer`: all that follows what is packed. */
function firstMember(
  bytes: Buffer,
  maxOutputLength = largest,
): (GzipMember & { readonly trailer: Buffer }) | undefined {
  const start = headerLength(bytes);
  if (start === undefined) return undefined;
  try {
    // With `info` it tells where the packed part ends, which the types do not know
    const result: unknown = inflateRawSync(bytes.subarray(start), { maxOutputLength, info: true });
    const { buffer: inside, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
    return { header: bytes.subarray(0, start), inside, trailer: bytes.subarray(start + engine.bytesWritten) };
  } catch {
    return undefined;
  }
}

/** RFC 1952, section 2.3.1; undefined where there is no such header. */
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
