import type { Knex } from 'knex';

/** How an engine defines keyturn's own tables, beyond what knex does. */
export interface Dialect {
  /**
   * Called before the columns of a new table are added.
   *
   * @param keyed whether the table has a primary key of its own
   */
  begin(table: Knex.CreateTableBuilder, keyed: boolean): void;
  /** Adds a column for bytes of any length. For a text of any length, `text(name, 'longtext')` works on every engine. */
  bytes(table: Knex.CreateTableBuilder, name: string): void;
}

export const plainDialect: Dialect = {
  begin: () => undefined,
  bytes: (table, name) => {
    table.binary(name);
  },
};
