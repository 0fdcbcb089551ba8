import { KeyturnError } from '../error.ts';
import type { Format } from './format.ts';
import { n8n } from './n8n.ts';
import { n8nWrapped } from './n8n-wrapped.ts';

const formats: ReadonlyMap<string, Format> = new Map(
  [n8n, n8nWrapped].map((format) => [format.name, format]),
);

export const formatNames: readonly string[] = [...formats.keys()];

/** The format that a job names. */
export function formatNamed(name: string): Format {
  const format = formats.get(name);
  if (format === undefined) {
    throw new KeyturnError('job-invalid', `unknown ciphertext format "${name}"`, {
      hint: `known formats: ${formatNames.join(', ')}`,
    });
  }
  return format;
}
