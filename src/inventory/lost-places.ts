import type { Run } from '../checkpoint/run.ts';
import type { Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Job } from '../job/job.ts';

/** Tables and columns that the job needs and the database no longer has, for people. */
export function lostPlaces(catalog: readonly Table[], { targets, sourceKeys }: Job): string[] {
  const tables = new Map(
    catalog.map(({ name, columns }) => [name, new Set(columns.map((each) => each.name))]),
  );
  const needed = [
    ...targets
      .filter(({ tree }) => tree === undefined)
      .map(({ shape }) => ({ table: shape.table, columns: [...shape.id, ...shape.columns] })),
    ...sourceKeys.map(({ table, column, where }) => ({ table, columns: [column, ...Object.keys(where)] })),
  ];
  const lost = needed.flatMap(({ table, columns }) => {
    const has = tables.get(table);
    if (has === undefined) return [`table ${table}`];
    return columns.filter((name) => !has.has(name)).map((name) => `column ${name} of table ${table}`);
  });
  return [...new Set(lost)];
}

/**
 * Tables and columns are as they were when the run began: dropped or renamed ones are not found out chunk by chunk.
 *
 * @param next what the user does then
 * @throws KeyturnError `schema-changed`
 */
export function assertNothingLost(catalog: readonly Table[], { id, job }: Run, next: string): void {
  const lost = lostPlaces(catalog, job);
  if (lost.length === 0) return;
  throw new KeyturnError('schema-changed', `missing since run ${id} began: ${lost.join('; ')}`, {
    hint: `restore what was dropped, or rename it back, then ${next}`,
    facts: { run: id },
  });
}
