/**
 * The bytes of a canonical base64 text: standard alphabet, padded, nothing before or behind, unused bits zero.
 * Node decodes leniently, so the proof is the round trip.
 */
export function canonicalBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** Characters of the base64 of so many bytes. */
export function base64Length(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}
