import { readFileSync } from 'node:fs';

/** Where the files of this installation are, seen from the built `dist/`. */

/** Module that a worker thread runs. */
export const workerEntry = new URL('./worker-thread.js', import.meta.url);

export function toolVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return version;
}
