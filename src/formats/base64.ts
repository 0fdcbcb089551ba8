/**
 * Decodes canonical base64: standard alphabet, padded, no other characters, unused bits zero.
 * Node decodes leniently, so the result is encoded again and compared.
 */
export function canonicalBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** Length in characters of that many bytes in base64. */
export function base64Length(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}
