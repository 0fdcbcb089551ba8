import { readFile, writeFile } from 'node:fs/promises';
import { expect } from '@jest/globals';

/** Compares with transcripts/<name>; KEYTURN_UPDATE_TRANSCRIPTS=1 writes it anew, to be read before it is kept. */
export async function expectTranscript(name: string, text: string): Promise<void> {
  const file = new URL(`transcripts/${name}`, import.meta.url);
  if (process.env.KEYTURN_UPDATE_TRANSCRIPTS) await writeFile(file, text);
  expect(text).toBe(await readFile(file, 'utf8'));
}
