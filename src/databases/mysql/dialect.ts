import type { Dialect } from '../dialect.ts';

export const mysqlDialect: Dialect = {
  begin(table, keyed) {
    table.engine('InnoDB');
    table.charset('utf8mb4');
    table.collate('utf8mb4_bin');
    // Servers can refuse a table without a primary key (sql_require_primary_key), and a MariaDB cluster cannot delete from one
    if (!keyed) table.bigIncrements('n');
  },
  /** A blob would hold only 64 KiB. */
  bytes(table, name) {
    table.specificType(name, 'longblob');
  },
};
