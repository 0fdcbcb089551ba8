import { readFileSync } from 'node:fs';

/**
 * Ciphertexts that other people's implementations made. A field that no test reads fails the run.
 * @param fields of every vector, beside its name.
 */
export function vectors<Field extends string>(
  file: string,
  fields: readonly Field[],
): Readonly<Record<Field | 'name', string>>[] {
  const url = new URL(`../vectors/${file}.json`, import.meta.url);
  const read = JSON.parse(readFileSync(url, 'utf8')) as { vectors: Record<string, unknown>[] };
  const known = ['name', ...fields].sort().join();
  for (const vector of read.vectors) {
    if (Object.keys(vector).sort().join() !== known) throw new Error(`${file}: ${Object.keys(vector)}`);
  }
  if (read.vectors.length === 0) throw new Error(`${file}: no vectors`);
  return read.vectors as Record<Field | 'name', string>[];
}
