import type { Database } from '../databases/database.ts';
import { KeyturnError, safeMessage } from '../error.ts';
import type { Job, Target } from '../job/job.ts';

/**
 * Checks the privileges that a run needs. Returns a warning for each that the engine does not report.
 *
 * @throws KeyturnError `database-read-only`, `no-grant`
 */
export async function checkPrivileges(database: Database, job: Job): Promise<string[]> {
  await assertWritable(database);
  const tables = job.targets.filter(isWrittenTable).map(({ shape }) => shape.table);
  const { createTable, update } = await database.server.privileges(tables);
  const denied = tables.filter((table) => update.get(table) === 'no');
  if (createTable === 'no' || denied.length > 0) {
    const missing = [
      ...(createTable === 'no' ? ["CREATE TABLE for keyturn's checkpoint"] : []),
      ...denied.map((table) => `UPDATE on ${table}`),
    ];
    throw new KeyturnError('no-grant', `this login does not have ${missing.join(', ')}`, {
      hint: 'grant these privileges, or use the login that owns the tables',
    });
  }
  const unknown = tables.filter((table) => update.get(table) !== 'yes');
  return [
    ...(createTable === 'unknown' ? ['cannot tell whether this login may create tables'] : []),
    ...(unknown.length > 0 ? [`cannot tell whether this login may update ${unknown.join(', ')}`] : []),
  ];
}

async function assertWritable(database: Database): Promise<void> {
  const why = await database.server.readOnly();
  if (why === null) return;
  throw new KeyturnError('database-read-only', `cannot write to ${database.place}: ${why}`, {
    hint: 'use the primary server, or allow writes for the maintenance window; nothing was changed',
  });
}

/** Whether the run writes to the table of this target. */
export function isWrittenTable({ onlyVerified, tree }: Target): boolean {
  return onlyVerified !== true && tree === undefined;
}

/** Privileges on columns only, row-level policies and masks are noticed at the first read. */
export function unreadable(cause: unknown): KeyturnError {
  return new KeyturnError('no-grant', `this login may not read everything: ${safeMessage(cause)}`, {
    hint: 'grant SELECT on all columns of the tables, exempt the login from row-level policies and masks, or use the login that owns the tables',
    cause,
  });
}
