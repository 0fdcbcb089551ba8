import type { Database, Table } from '../databases/database.ts';
import type { Job } from '../job/job.ts';
import { isWrittenTable } from './privileges.ts';

/** Warnings about what slows down writes, is triggered by them, or keeps copies of old values. */
export async function writeWarnings(
  database: Database,
  catalog: readonly Table[],
  job: Job,
): Promise<string[]> {
  const written = job.targets.filter(isWrittenTable);
  const own = written.flatMap(({ shape, fields }) => {
    const { indexed = [], triggers = [] } = catalog.find(({ name }) => name === shape.table) ?? {};
    const covered = [...new Set(fields.map(({ column }) => column))].filter((column) =>
      indexed.includes(column),
    );
    return [
      ...covered.map((column) => `an index covers ${shape.table}.${column}: writing rows takes longer`),
      ...(triggers.length > 0 ? [`writing rows of ${shape.table} fires ${triggers.join(', ')}`] : []),
    ];
  });
  return [...own, ...(await database.server.warnings(written.map(({ shape }) => shape.table)))];
}
