import { documentPages } from '../chunk/files/document-file.ts';
import { treeOf } from '../chunk/files/file-target.ts';
import type { Row, RowId, RowShape, Rows } from '../databases/database.ts';
import type { Target } from '../job/job.ts';

/** Rows in memory at one time; documents can be megabytes. */
const page = { rows: 500, bytes: 8 * 1024 * 1024 };

/** All rows of a table with a row id, in pages. */
export async function* pagesOf(database: Rows, shape: RowShape): AsyncGenerator<readonly Row[]> {
  for (let after: RowId | null = null; ; ) {
    const upTo: RowId | null = await database.boundAfter(shape, after, page);
    if (upTo === null) return;
    yield await database.readRange(shape, { after, upTo });
    after = upTo;
  }
}

/** All rows of a target: those of a table, or its files, each a row. */
export function targetPages(
  database: Rows,
  target: Target,
  attachments: string | null,
): AsyncIterable<readonly Row[]> {
  if (target.tree === undefined) return pagesOf(database, target.shape);
  return documentPages(treeOf(target, attachments), page);
}

/** Reads all rows of a table in pages. A table without a row id is read with one query. */
export async function readPages(
  database: Rows,
  shape: RowShape,
  each: (rows: readonly Row[]) => void,
): Promise<void> {
  if (shape.id.length === 0) return readUnkeyed(database, shape, each);
  for await (const rows of pagesOf(database, shape)) each(rows);
}

/** How many rows to ask for next, where the engine cannot tell beforehand how large they are. */
export class PageSize {
  readonly #most: number;
  #rows: number;

  constructor(most: number) {
    this.#most = most;
    this.#rows = Math.min(most, 16);
  }

  get rows(): number {
    return this.#rows;
  }

  /** The next page has as many rows as would have fitted if they were like these. */
  saw(rows: readonly Row[]): void {
    const each = bytesOf(rows) / Math.max(rows.length, 1);
    this.#rows = Math.max(1, Math.min(this.#most, Math.floor(page.bytes / Math.max(each, 1))));
  }
}

export function bytesOf(rows: readonly Row[]): number {
  return rows.flatMap(({ values }) => values).reduce((sum, value) => sum + (value?.length ?? 0), 0);
}

async function readUnkeyed(
  database: Rows,
  shape: RowShape,
  each: (rows: readonly Row[]) => void,
): Promise<void> {
  let rows: Row[] = [];
  let bytes = 0;
  await database.readAll(shape, (row) => {
    rows.push(row);
    bytes += bytesOf([row]);
    if (rows.length < page.rows && bytes < page.bytes) return;
    each(rows);
    rows = [];
    bytes = 0;
  });
  if (rows.length > 0) each(rows);
}
