import { readFile } from 'node:fs/promises';
import { KeyturnError } from '../error.ts';
import type { TlsFiles } from './queue-url.ts';

/** The PEM texts of the files that a queue URL names. */
export async function readTls(files: TlsFiles): Promise<{ ca?: string; cert?: string; key?: string }> {
  const entries = Object.entries(files) as [keyof TlsFiles, string][];
  return Object.fromEntries(
    await Promise.all(entries.map(async ([name, path]) => [name, await pem(path)] as const)),
  );
}

async function pem(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause) => {
    throw new KeyturnError('queue-url', `cannot read ${path}, which the queue URL names`, { cause });
  });
}
