import { existsSync, readFileSync } from 'node:fs';
import type { Rows, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Job } from '../job/job.ts';
import { derivation } from '../keys/derived.ts';
import type { Key } from '../keys/key.ts';
import { writeSecretFile } from '../keys/key-file.ts';
import { rowsWhere } from './rows-where.ts';

type DerivedSecret = Job['derived'][number];

/** Secrets that the application derives from its master key because no row of its database contains them. */
export async function unpinnedSecrets(
  database: Rows,
  catalog: readonly Table[],
  job: Job,
): Promise<readonly DerivedSecret[]> {
  const unpinned: DerivedSecret[] = [];
  for (const secret of job.derived) if (!(await isPinned(database, catalog, secret))) unpinned.push(secret);
  return unpinned;
}

async function isPinned(
  database: Rows,
  catalog: readonly Table[],
  { unless }: DerivedSecret,
): Promise<boolean> {
  const column = Object.keys(unless?.where ?? {})[0];
  if (unless === undefined || column === undefined) return false;
  for await (const _ of rowsWhere(database, catalog, { ...unless, column })) return true;
  return false;
}

/** Beside the new key file. */
export function derivedSecretsPath(newKeyFile: string): string {
  return `${newKeyFile}.derived-secrets.env`;
}

/**
 * Writes the secrets that are derived from the old key to a file of mode 0600, as `SETTING=value` lines. They are live
 * secrets and shown nowhere else. A file with the same content may exist, from an attempt that failed later.
 */
export function keepSecrets(path: string, secrets: readonly DerivedSecret[], old: Key): void {
  const text = secrets.map(({ secret, setting }) => `${setting}=${derivation(secret)(old.text)}\n`).join('');
  if (!existsSync(path)) {
    writeSecretFile(path, text, 'the derived secrets');
    return;
  }
  if (readFileSync(path, 'utf8') === text) return;
  throw new KeyturnError(
    'key-file-differs',
    `${path} already exists, with other secrets than those derived from this key`,
    {
      hint: 'move the file, or use another --new-key-file',
      facts: { path },
    },
  );
}
