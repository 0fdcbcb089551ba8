import type { Dialect, Exec } from './dialect.ts';
import type { Table } from './tables.ts';

/** A cell as text or bytes, whatever the driver made of it. */
export type SeenCell = string | Buffer | null;
export type SeenRow = ReadonlyMap<string, SeenCell>;
/** Rows by their id, or by all they hold where they have none. A table that cannot be read is not there. */
export type Seen = ReadonlyMap<string, ReadonlyMap<string, SeenRow>>;

/** What the tables hold now; taken before a rotation, it is what the checker compares with. */
export async function seeOctopus(exec: Exec, dialect: Dialect, tables: readonly Table[]): Promise<Seen> {
  const seen = new Map<string, Map<string, SeenRow>>();
  for (const table of tables) {
    const columns = Object.keys(table.columns);
    const select = `select ${columns.map(dialect.quote).join(', ')} from ${dialect.quote(table.name)}`;
    const found = await exec(select).catch(() => undefined);
    if (found === undefined) continue;
    const rows = new Map<string, SeenRow>();
    for (const row of found) {
      const cells = new Map(columns.map((name) => [name, cellOf(row[name])]));
      const id = table.id === null ? JSON.stringify([...cells.values()]) : String(cells.get(table.id));
      let name = id;
      // Equal rows of a table without row ids
      for (let copy = 2; rows.has(name); copy++) name = `${id} #${copy}`;
      rows.set(name, cells);
    }
    seen.set(table.name, rows);
  }
  return seen;
}

function cellOf(value: unknown): SeenCell {
  if (value === null || value === undefined) return null;
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function sameCell(one: SeenCell | undefined, other: SeenCell | undefined): boolean {
  return Buffer.isBuffer(one) && Buffer.isBuffer(other) ? one.equals(other) : one === other;
}
