import type { Format } from '../../formats/format.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { isPlausible } from './plausible.ts';

/**
 * Counts values inside a text that is not parsed: parts that have the shape of the format and open with one of the
 * rings to text, a certificate or a key.
 */
export function countStrays(text: string, format: Format, rings: readonly Keyring[]): number {
  const found = format.within?.(unescaped(text)) ?? [];
  if (found.length === 0) return 0;
  const openings = rings.filter((ring) => takesKey(format, ring)).map((ring) => format.open(found, ring));
  return found.filter((_, i) =>
    openings.some((each) => typeof each[i] === 'object' && isPlausible(each[i].plain, 'plausible')),
  ).length;
}

/** Whether the format can use the key: if it uses keys as they are, the length must match. */
export function takesKey({ keyLengths }: Format, { primary }: Keyring): boolean {
  return keyLengths === undefined || (!primary.isText && keyLengths.includes(primary.bytes.length));
}

/** Removes the zero bytes of UTF-16 and JSON's escapes, which is enough to find base64. */
function unescaped(text: string): string {
  return text
    .replaceAll('\0', '')
    .replace(/\\+u00([0-7][0-9a-f])/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/\\+\//g, '/');
}
