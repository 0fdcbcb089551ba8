import type { Knex } from 'knex';
import type { Transaction } from './database.ts';

/**
 * Lends the driver's own connection: that of the transaction, or one of knex's pool. Statements on the application's
 * tables do not go through `knex.raw`: there a `?` in an identifier is a binding, and an error's message repeats the
 * bindings, which are ciphertexts (invariant 9).
 */
export async function onConnection<C, T>(
  knex: Knex,
  trx: Transaction | undefined,
  work: (connection: C) => Promise<T> | T,
): Promise<T> {
  // knex calls a transaction's work even after a failed BEGIN; a statement would then run, and commit, on its own
  if (trx?.isCompleted()) throw transactionOver();
  const client = (trx ?? knex).client;
  const connection = await client.acquireConnection();
  try {
    return await work(connection);
  } finally {
    if (trx === undefined) client.releaseConnection(connection);
  }
}

/** For a query of the operator's, which must change nothing: read-only where the engine knows that, and rolled back. */
export async function onlyReading<T>(knex: Knex, work: (trx: Transaction) => Promise<T>): Promise<T> {
  const trx = await knex.transaction(undefined, { readOnly: true });
  try {
    return await work(trx);
  } finally {
    await trx.rollback();
  }
}

export function transactionOver(): Error {
  return new Error('the transaction has ended, or never began');
}
