import type { Knex } from 'knex';
import type { OwnTables } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { create, migrations } from './migrations.ts';

export const checkpointVersion = migrations.length;

/** The tables, each with the version that brought it; those that others depend on last. */
const tables = [
  ['keyturn_plan', 6],
  ['keyturn_file', 3],
  ['keyturn_event', 1],
  ['keyturn_exception', 1],
  ['keyturn_chunk', 1],
  ['keyturn_run', 1],
  ['keyturn_version', 1],
] as const;

/**
 * Version of the checkpoint tables in this database; 0: there are none, or they are empty because whoever created or
 * dropped them was killed.
 *
 * @throws KeyturnError `checkpoint-altered` if one of them is missing
 */
export async function readCheckpointVersion(own: OwnTables): Promise<number> {
  const version = await storedVersion(own);
  // Which tables a later keyturn has is not known here; `assertVersion` refuses them
  if (version > checkpointVersion) return version;
  for (const [name, since] of tables) {
    const found = await lookInto(own, name);
    if (version === 0 && found === 'row' && name !== 'keyturn_version') throw missing('keyturn_version');
    if (version >= since && found === 'missing') throw missing(name);
  }
  return version;
}

async function storedVersion({ knex, failures }: OwnTables): Promise<number> {
  try {
    const row = await knex('keyturn_version').first<{ version: number } | undefined>('version');
    return row?.version ?? 0;
  } catch (error) {
    if (failures.isMissingTable(error)) return 0;
    if (failures.isDenied(error)) throw unreadable(error);
    throw error;
  }
}

/** The catalog cannot tell: PostgreSQL's information_schema hides tables on which the login has no permission. */
async function lookInto(
  { knex, failures }: OwnTables,
  table: string,
): Promise<'row' | 'empty' | 'missing' | 'hidden'> {
  try {
    const row = await knex(table).first(knex.raw('1 as one'));
    return row === undefined ? 'empty' : 'row';
  } catch (error) {
    if (failures.isMissingTable(error)) return 'missing';
    if (failures.isDenied(error)) return 'hidden';
    throw error;
  }
}

function missing(table: string): KeyturnError {
  return new KeyturnError('checkpoint-altered', `keyturn's table ${table} is missing in this database`, {
    hint: 'restore the keyturn tables together with the data from one backup; if the last run had finished, you can drop all tables keyturn_* instead, which loses its proof',
    facts: { table },
  });
}

function unreadable(cause: unknown): KeyturnError {
  return new KeyturnError(
    'no-grant',
    "this login has no permission for keyturn's own tables in this database",
    {
      hint: 'use the login that started the run, or grant this login permission for the tables keyturn_*',
      cause,
    },
  );
}

/** Refuses tables of another version. `migrate` upgrades older ones, once the user has confirmed it. */
export function assertVersion(version: number): void {
  if (version === 0 || version === checkpointVersion) return;
  throw new KeyturnError(
    'checkpoint-version',
    `keyturn's own tables in this database have version ${version}, but this keyturn needs version ${checkpointVersion}`,
    {
      hint:
        version > checkpointVersion
          ? 'use the keyturn that created them, or a newer one'
          : 'add --upgradeDatabase to upgrade them',
    },
  );
}

/**
 * Creates or upgrades the tables, all missing versions in one transaction: if the process dies, the tables are as they
 * were before, and never between two versions. MySQL commits every definition by itself: there the version is written
 * last, and definitions of a version that was not written are repeated. Callers hold the run lock.
 */
export async function migrate(database: OwnTables): Promise<void> {
  const { knex, dialect } = database;
  const version = await readCheckpointVersion(database);
  if (version >= checkpointVersion) return;
  await knex.transaction(async (trx) => {
    if (version === 0) {
      await dropUnfinished(trx);
      await create(trx, dialect, 'keyturn_version', (t) => t.integer('version').notNullable(), {
        keyed: false,
      });
      await trx('keyturn_version').insert({ version: 0 });
    }
    for (const upgrade of migrations.slice(version)) await upgrade(trx, dialect);
    await trx('keyturn_version').update({ version: checkpointVersion });
  });
}

/** Drops tables that were created without their version, and are empty. A table with rows has been in use, and stays. */
async function dropUnfinished(trx: Knex.Transaction): Promise<void> {
  await trx.schema.dropTableIfExists('keyturn_version');
  for (const [table] of tables) {
    if (!(await trx.schema.hasTable(table))) continue;
    if ((await trx(table).first()) === undefined) await trx.schema.dropTable(table);
  }
}

/** Empty first, in one transaction: a kill between two definitions must not look like a table that somebody dropped. */
export async function dropCheckpointTables(knex: Knex): Promise<void> {
  await knex.transaction(async (trx) => {
    for (const [table] of tables)
      if (table !== 'keyturn_version' && (await trx.schema.hasTable(table))) await trx(table).delete();
    await trx('keyturn_version').update({ version: 0 });
  });
  for (const [table] of tables) await knex.schema.dropTableIfExists(table);
}
