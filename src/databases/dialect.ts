import type { Knex } from 'knex';

/** What the engines want said differently of the checkpoint tables, where knex does not say it. */

function isMysql(knex: Knex): boolean {
  return knex.client.dialect === 'mysql';
}

/** Whether the definition of a table ends the transaction that it is in. */
export function commitsTables(knex: Knex): boolean {
  return isMysql(knex);
}

/**
 * @param keyed whether it has a primary key of its own; MySQL servers can be set to refuse one without
 * (sql_require_primary_key), and a cluster of MariaDB cannot delete from it.
 */
export async function create(
  trx: Knex.Transaction,
  name: string,
  columns: (table: Knex.CreateTableBuilder) => void,
  { keyed = true } = {},
): Promise<void> {
  await trx.schema.createTable(name, (table) => {
    if (isMysql(trx)) {
      table.engine('InnoDB');
      table.charset('utf8mb4');
      table.collate('utf8mb4_bin');
      if (!keyed) table.bigIncrements('n');
    }
    columns(table);
  });
}

/** Of any length: MySQL's blob holds 64 KiB. A text of any length is `text(name, 'longtext')` to all. */
export function bytes(table: Knex.CreateTableBuilder, trx: Knex, name: string): void {
  if (isMysql(trx)) table.specificType(name, 'longblob');
  else table.binary(name);
}
