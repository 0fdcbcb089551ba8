import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, RunLock } from '../../databases/database.ts';
import { openDatabase } from '../../databases/open.ts';
import { KeyturnError } from '../../error.ts';
import { unreadable } from '../../inventory/privileges.ts';
import { foreseen } from '../../rotation/setback.ts';
import { unlessStopped } from '../../rotation/unless-stopped.ts';
import { within } from '../../within.ts';
import type { Context } from '../command.ts';
import { RunFailure } from './run-failure.ts';

/** An open database. The URL and the password are kept for worker threads, which connect themselves. */
export interface Opened {
  readonly database: Database;
  readonly url: string;
  readonly password: string | null;
}

/** Opens the database of --database or KEYTURN_DATABASE for the duration of `work`. */
export async function withDatabase<T>(
  { environment, signal }: Context,
  args: { readonly database?: string | undefined },
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  const url = args.database ?? (environment.KEYTURN_DATABASE || undefined);
  if (url === undefined) {
    throw new KeyturnError('bad-option', 'no database given', {
      hint: 'use --database URL or set KEYTURN_DATABASE, for example --database sqlite:path/to/database.sqlite',
    });
  }
  const password = environment.KEYTURN_DATABASE_PASSWORD || null;
  const opening = openDatabase(url, {
    applicationName: 'keyturn',
    ...(password !== null && { password }),
  });
  const database = await unlessStopped(signal, opening).catch((error: unknown) => {
    // A connection that is made after that is nobody's
    opening.then((late) => late.close()).catch(() => undefined);
    throw error;
  });
  try {
    return await work({ database, url, password });
  } catch (thrown) {
    throw explained(database, thrown);
  } finally {
    await within(closeMs, database.close());
  }
}

/** How long to wait for the connections to close. The server need not notice the end. */
const closeMs = 5_000;

/** A lost connection, a full disk or a missing permission is a foreseeable error, before and after a run too. */
function explained(database: Database, thrown: unknown): unknown {
  if (database.failures.isDenied(thrown)) return unreadable(thrown);
  if (!(thrown instanceof RunFailure)) return foreseen(database, thrown, 'run the command again');
  return new RunFailure(thrown.document, { cause: foreseen(database, thrown.cause) });
}

/** A coordinator that has just ended, or a status command that tries the lock, can hold it for a moment. */
const lockTries = 6;
const lockEveryMs = 250;

async function lockSoon(database: Database): Promise<RunLock> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await database.lockRun();
    } catch (error) {
      if (!(error instanceof KeyturnError) || error.code !== 'run-lock' || attempt === lockTries) throw error;
      await sleep(lockEveryMs);
    }
  }
}

/** Holds the run lock for the duration of `work`. Throws `run-lock`. */
export async function withRunLock<T>(database: Database, work: (lock: RunLock) => Promise<T>): Promise<T> {
  const lock = await lockSoon(database);
  try {
    return await work(lock);
  } finally {
    await lock.release();
  }
}
