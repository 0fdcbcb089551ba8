import { randomBytes, randomInt } from 'node:crypto';
import type { Database, Transaction } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { n8nWrapped } from '../formats/n8n-wrapped.ts';
import { type DataKey, dataAlgorithm, legacyAlgorithm } from '../inventory/keys/data-keys.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';

const type = 'data_encryption';
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** A data key that is in no database yet. */
export interface NewDataKey {
  readonly id: string;
  /** 64 hex characters, as n8n stores it. */
  readonly secret: string;
}

export function makeDataKey(): NewDataKey {
  return { id: newId(), secret: randomBytes(32).toString('hex') };
}

/** What a rotation of the data key has written. */
export interface AddedKeys {
  readonly active: string;
  /** The row with the legacy key, if there was none. */
  readonly legacy: string | null;
}

/**
 * Adds a data key and makes it the active one, as n8n does, in one transaction: there is one active key at every moment.
 * The first one also keeps the legacy key, with which n8n reads values without a key id.
 *
 * @param known the data keys as they were last read: the transaction is refused if they have changed since
 */
export async function addDataKey(
  database: Database,
  table: string,
  known: readonly DataKey[],
  master: Key,
  { id: active, secret }: NewDataKey,
): Promise<AddedKeys> {
  const like = known.find(({ algorithm }) => algorithm === dataAlgorithm)?.value ?? '';
  const legacy = known.some(({ algorithm }) => algorithm === legacyAlgorithm) ? null : newId();
  await database.transaction(async (trx) => {
    await assertUnchanged(trx, table, known);
    await trx(table)
      .where({ type, status: 'active' })
      .update({ status: 'inactive', updatedAt: trx.fn.now() });
    if (legacy !== null) {
      const value = wrap(master.text, master, like);
      await trx(table).insert({ id: legacy, type, value, algorithm: legacyAlgorithm, status: 'inactive' });
    }
    const value = wrap(secret, master, like);
    await trx(table).insert({ id: active, type, value, algorithm: dataAlgorithm, status: 'active' });
    const [stored] = await trx(table).where({ id: active }).select('value');
    if (unwrap(String(stored?.value), master) !== secret)
      throw new Error('the data key does not read back as it was written');
  });
  return { active, legacy };
}

/** Leaves no data key active: values are then encrypted in the legacy format. */
export async function deactivateDataKeys(
  database: Database,
  table: string,
  known: readonly DataKey[],
): Promise<void> {
  await database.transaction(async (trx) => {
    await assertUnchanged(trx, table, known);
    await trx(table)
      .where({ type, status: 'active' })
      .update({ status: 'inactive', updatedAt: trx.fn.now() });
  });
}

/** Removes one data key, if its row is exactly what was read. Throws `data-key-unknown` if it has changed. */
export async function removeDataKey(
  database: Database,
  table: string,
  { id, value, status }: DataKey,
): Promise<void> {
  await database.transaction(async (trx) => {
    const removed = await trx(table).where({ id, type, value, status }).delete();
    if (removed !== 1) throw changed();
  });
}

async function assertUnchanged(trx: Transaction, table: string, known: readonly DataKey[]): Promise<void> {
  const rows: { id: string; value: string; status: string }[] = await trx(table)
    .where({ type })
    .select('id', 'value', 'status');
  const same =
    rows.length === known.length &&
    rows.every((row) =>
      known.some(({ id, value, status }) => id === row.id && value === row.value && status === row.status),
    );
  if (!same) throw changed();
}

function changed(): KeyturnError {
  return new KeyturnError('data-key-unknown', 'the data keys have changed since they were read', {
    hint: 'stop n8n, then run the command again',
  });
}

function wrap(plain: string, master: Key, like: string): string {
  const [sealed] = n8nWrapped.seal([Buffer.from(plain)], new Keyring(master), [like]);
  return sealed ?? '';
}

function unwrap(value: string, master: Key): string | null {
  const [opening] = n8nWrapped.open([value], new Keyring(master));
  return typeof opening === 'object' ? opening.plain.toString('utf8') : null;
}

/** As n8n makes them: 16 letters and digits. */
function newId(): string {
  return Array.from({ length: 16 }, () => letters[randomInt(letters.length)]).join('');
}
