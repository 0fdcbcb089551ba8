import { isUtf8 } from 'node:buffer';
import type { Field } from '../../job/job.ts';
import { isCertificateOrKey } from '../../keys/certificate.ts';

/**
 * Whether a plaintext looks as the job says (invariant 6): with CBC, a wrong key yields valid padding for 1 value in
 * 255, but the result is hardly ever UTF-8, let alone JSON.
 */
export function isPlausible(plain: Buffer, expected: Field['plaintext']): boolean {
  if (expected === 'any') return true;
  if (expected === 'plausible') return isText(plain) || isCertificateOrKey(plain);
  if (!isUtf8(plain)) return false;
  return expected === 'utf8' || isJson(plain.toString('utf8'));
}

/** Text without control characters other than tabs and line ends. */
function isText(plain: Buffer): boolean {
  if (!isUtf8(plain)) return false;
  return plain.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
