import type { ConnectionPool } from 'mssql';
import type { Connection } from 'tedious';

/*
 * What keyturn uses of tedious and mssql beyond what they document. test/databases/mssql/internals.test.ts fails when
 * an upgrade moves any of it. What it uses of knex's dialect is in knex.ts.
 */

/** tedious sets this from what the server reports, also when the server ended the transaction by itself. */
export function inTransaction(connection: Connection): boolean {
  return (connection as unknown as { readonly inTransaction: boolean }).inTransaction;
}

/** A closed connection emits no further `end`. */
export function isClosed(connection: Connection): boolean {
  return (connection as unknown as { readonly closed: boolean }).closed;
}

interface Lender {
  acquire(requester: object): Promise<Connection>;
  release(connection: Connection): void;
}

/** Takes the driver's own connection out of the pool. */
export function acquire(pool: ConnectionPool): Promise<Connection> {
  return (pool as unknown as Lender).acquire(pool);
}

export function release(pool: ConnectionPool, connection: Connection): void {
  (pool as unknown as Lender).release(connection);
}
