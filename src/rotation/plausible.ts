import { isUtf8 } from 'node:buffer';
import type { Field } from '../job/job.ts';

/**
 * Whether a plaintext looks like what the job says it is (invariant 6): a wrong key passes CBC padding for 1 value
 * in 255, and the garbage that it yields is hardly ever UTF-8, let alone JSON.
 */
export function isPlausible(plain: Buffer, expected: Field['plaintext']): boolean {
  if (expected === 'any') return true;
  if (!isUtf8(plain)) return false;
  return expected === 'utf8' || isJson(plain.toString('utf8'));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
