import type { Format } from '../formats/format.ts';
import type { Keyring } from '../keys/keyring.ts';
import { isPlausible } from './plausible.ts';

/**
 * How many values stand inside a text that is not taken apart: what has a format's shape there, and opens as text, a
 * certificate or a key with one of the rings.
 */
export function countStrays(text: string, format: Format, rings: readonly Keyring[]): number {
  const found = format.within?.(plainly(text)) ?? [];
  if (found.length === 0) return 0;
  const openings = rings.filter((ring) => takesKey(format, ring)).map((ring) => format.open(found, ring));
  return found.filter((_, i) =>
    openings.some((each) => typeof each[i] === 'object' && isPlausible(each[i].plain, 'plausible')),
  ).length;
}

/** A key of another length opens nothing of a format that takes it as it is. */
export function takesKey({ keyLengths }: Format, { primary }: Keyring): boolean {
  return keyLengths === undefined || (!primary.isText && keyLengths.includes(primary.bytes.length));
}

/** Without what UTF-16 puts between ASCII characters, and with JSON's escapes undone: enough to find base64. */
function plainly(text: string): string {
  return text
    .replaceAll('\0', '')
    .replace(/\\+u00([0-7][0-9a-f])/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/\\+\//g, '/');
}
