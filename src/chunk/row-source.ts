import type { Catalog, Database, Range, RowId, Rows } from '../databases/database.ts';
import { Listings } from '../files/listings.ts';
import type { Target } from '../job/job.ts';
import { pathOf, treeOf } from './files/file-target.ts';

type Source = Catalog & Rows & Pick<Database, 'traits'>;

const chunkFiles = 2000;

/** Counts and plans the rows of a target: those of a table, or the files of a folder. */
export class RowSource {
  readonly #database: Source;
  readonly #attachments: string | null;
  /** Any listing will do for bounds: they only divide the files, those that exist and those to come. */
  readonly #listings = new Listings('some moment');

  constructor(database: Source, attachments: string | null) {
    this.#database = database;
    this.#attachments = attachments;
  }

  /** Rows or files that a chunk has at most. */
  chunkRows({ tree }: Target): number {
    return tree === undefined ? this.#database.traits.chunkRows : chunkFiles;
  }

  async count(target: Target): Promise<{ readonly rows: number; readonly bytes?: number }> {
    if (target.tree === undefined) return { rows: await this.#database.count(target.shape.table) };
    const { files, bytes } = await treeOf(target, this.#attachments).count();
    return { rows: files, bytes };
  }

  async boundAfter(
    target: Target,
    after: RowId | null,
    { rows, bytes }: { rows: number; bytes: number },
  ): Promise<RowId | null> {
    if (target.tree === undefined) return this.#database.boundAfter(target.shape, after, { rows, bytes });
    const tree = treeOf(target, this.#attachments, this.#listings);
    const bound = await tree.boundAfter(after && pathOf(after), { files: rows, bytes });
    return bound === null ? null : [bound];
  }

  /** In order. */
  async ids(target: Target, range: Range): Promise<RowId[]> {
    if (target.tree === undefined) {
      const rows = await this.#database.readRange({ ...target.shape, columns: [], written: 0 }, range);
      return rows.map(({ id }) => id);
    }
    const ids: RowId[] = [];
    const { after, upTo } = range;
    const tree = treeOf(target, this.#attachments);
    const paths = tree.files({ after: after && pathOf(after), upTo: upTo && pathOf(upTo) });
    for await (const path of paths) ids.push([path]);
    return ids;
  }
}
