import { realpath, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { KeyturnError } from '../../error.ts';
import { diskFull } from '../disk-full.ts';
import { sqliteFailures } from './failures.ts';

/** Resolved, so that there is one run lock beside it, whatever symbolic link the user gave. */
export async function existingFile(path: string, create: boolean): Promise<string> {
  if (create) await writeFile(path, '', { flag: 'a', mode: 0o600 });
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return realpath(path);
  throw new KeyturnError('database-missing', `there is no file ${resolve(path)}`, {
    hint: 'check the path after sqlite:',
  });
}

/** By code, not by class: the driver's error class belongs to whoever loaded the driver last in this process. */
export function sqliteCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

export function fileRefusal(cause: unknown, place: string): unknown {
  const code = sqliteCode(cause);
  if (code.startsWith('SQLITE_BUSY'))
    return new KeyturnError('database-locked', `another process has locked ${place}`, {
      hint: 'stop the application first',
      cause,
    });
  if (code === 'SQLITE_NOTADB')
    return new KeyturnError('database-missing', `${place} is not a SQLite database`, {
      hint: 'check the path after sqlite:',
      cause,
    });
  if (/^SQLITE_(CANTOPEN|READONLY|PERM)/.test(code))
    return new KeyturnError('no-grant', `${place} cannot be opened for writing`, {
      hint: 'give this user write permission for the file and its folder',
      cause,
    });
  return sqliteFailures.isDiskFull(cause) ? diskFull(cause, 'run the command again') : cause;
}
