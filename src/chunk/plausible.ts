import { isUtf8 } from 'node:buffer';
import type { Field } from '../job/job.ts';
import { isCertificateOrKey } from '../keys/certificate.ts';

/**
 * Whether a plaintext looks like what the job says it is (invariant 6): a wrong key passes CBC padding for 1 value
 * in 255, and the garbage that it yields is hardly ever UTF-8, let alone JSON.
 */
export function isPlausible(plain: Buffer, expected: Field['plaintext']): boolean {
  if (expected === 'any') return true;
  if (expected === 'plausible') return isText(plain) || isCertificateOrKey(plain);
  if (!isUtf8(plain)) return false;
  return expected === 'utf8' || isJson(plain.toString('utf8'));
}

/** Text without control characters, but for tabs and line ends. */
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
