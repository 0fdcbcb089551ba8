import type { Inventory } from '../checkpoint/run.ts';
import { RowSource } from '../chunk/row-source.ts';
import type { Database, Table } from '../databases/database.ts';
import { type Job, targetName } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { rowsWhere } from './rows-where.ts';
import type { ScanResult } from './scan.ts';
import { findUndeclared } from './undeclared.ts';

/**
 * Counts only; changes nothing. Without a keyring, ciphertext that no field declares cannot be found.
 *
 * @param scan for a job that finds ciphertext by shape
 */
export async function takeInventory(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  ring: Keyring | null,
  attachments: string | null,
  scan: ScanResult | null = null,
): Promise<Inventory> {
  const targets = [];
  const source = new RowSource(database, attachments);
  for (const target of job.targets)
    targets.push({ target: targetName(target), ...(await source.count(target)) });
  const { findings, unread } =
    ring === null ? { findings: [], unread: [] } : await findUndeclared(database, catalog, job, ring);
  const unseen = await database.server.unseen();
  const uncovered = await countUncovered(database, catalog, job);
  return {
    targets,
    absent: job.absent,
    survival: database.traits.survival,
    undeclared: findings,
    unread: [...new Set([...unread, ...(scan?.unread ?? [])])],
    ...(unseen.length > 0 && { unseen }),
    ...(uncovered.length > 0 && { uncovered }),
    ...(scan !== null && { unkeyed: scan.unkeyed, places: scan.places }),
  };
}

async function countUncovered(
  database: Database,
  catalog: readonly Table[],
  { uncovered = [] }: Job,
): Promise<NonNullable<Inventory['uncovered']>> {
  const counted = [];
  for (const { table, where, what } of uncovered) {
    const [column = ''] = Object.keys(where);
    let rows = 0;
    for await (const _ of rowsWhere(database, catalog, { table, where, column })) rows++;
    if (rows > 0) counted.push({ what, rows });
  }
  return counted;
}

/** What the run leaves under the old key because it is outside the database; sentences. */
export function uncoveredOf({ uncovered = [] }: Pick<Inventory, 'uncovered'>): string[] {
  return uncovered.map(
    ({ what, rows }) => `not covered: ${rows} ${what}. What is encrypted in them stays under the old key`,
  );
}

/** What is not known because of the permissions of the login. */
export function unknownOf({ unread, unseen = [] }: Pick<Inventory, 'unread' | 'unseen'>): string[] {
  return [
    ...unread.map((table) => `cannot check ${table} for ciphertext: this login cannot read all of it`),
    ...unseen,
  ];
}
