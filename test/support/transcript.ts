import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from '@jest/globals';

/**
 * Compares a text with a transcript. With KEYTURN_UPDATE_TRANSCRIPTS=1 it writes the transcript first, for a person to
 * read before it is committed; never in CI, where a missing transcript must fail.
 */
export function expectTranscript(file: URL, text: string): void {
  if (process.env.KEYTURN_UPDATE_TRANSCRIPTS && !process.env.CI) writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
}
