import type { Inventory } from '../checkpoint/run.ts';
import { RowSource } from '../chunk/row-source.ts';
import type { Database, Table } from '../databases/database.ts';
import { type Job, targetName } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
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
  return {
    targets,
    absent: job.absent,
    survival: database.traits.survival,
    undeclared: findings,
    unread: [...new Set([...unread, ...(scan?.unread ?? [])])],
    ...(unseen.length > 0 && { unseen }),
    ...(scan !== null && { unkeyed: scan.unkeyed, places: scan.places }),
  };
}

/** What is not known because of the permissions of the login. */
export function unknownOf({ unread, unseen = [] }: Pick<Inventory, 'unread' | 'unseen'>): string[] {
  return [
    ...unread.map((table) => `cannot check ${table} for ciphertext: this login cannot read all of it`),
    ...unseen,
  ];
}
