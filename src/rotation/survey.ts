import type { Database, Table } from '../databases/database.ts';
import { type Job, targetName } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { findUndeclared } from './inventory.ts';
import { RowSource } from './row-source.ts';
import type { Inventory } from './run.ts';
import type { Scan } from './scan.ts';

/** A limited column that is written, and the longest value in it. */
export interface Width {
  readonly column: string;
  readonly width: number;
  readonly longest: number;
}

/** Counts only; reads, and changes nothing. Without a keyring, ciphertext that no field declares cannot be told. */
export async function takeInventory(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  ring: Keyring | null,
  attachments: string | null,
  scan: Scan | null = null,
): Promise<Inventory> {
  const targets = [];
  const source = new RowSource(database, attachments);
  for (const target of job.targets)
    targets.push({ target: targetName(target), ...(await source.count(target)) });
  const { findings, unread } =
    ring === null ? { findings: [], unread: [] } : await findUndeclared(database, catalog, job, ring);
  return {
    targets,
    absent: job.absent,
    undeclared: findings,
    unread: [...new Set([...unread, ...(scan?.unread ?? [])])],
    ...(scan !== null && { places: scan.places }),
  };
}

export async function widthsOf(
  database: Database,
  catalog: readonly Table[],
  { shape }: Job['targets'][number],
): Promise<Width[]> {
  const table = catalog.find(({ name }) => name === shape.table);
  const widths: Width[] = [];
  for (const column of shape.columns.slice(0, shape.written)) {
    const width = table?.columns.find(({ name }) => name === column)?.maxLength ?? null;
    if (width !== null) widths.push({ column, width, longest: await database.longest(shape.table, column) });
  }
  return widths;
}
