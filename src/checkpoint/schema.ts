import type { Knex } from 'knex';
import type { OwnTables } from '../databases/database.ts';
import type { Dialect } from '../databases/dialect.ts';
import { KeyturnError } from '../error.ts';

/**
 * The checkpoint tables, as versioned migrations. Each of them can be repeated without harm (`migrate`). knex's own
 * migrator is not used: its lock table stays locked when a process dies, and nothing of keyturn may stay locked
 * (docs/architecture.md, States). Migrations run under the run lock.
 */
const migrations: readonly ((trx: Knex.Transaction, dialect: Dialect) => Promise<void>)[] = [
  async (trx, dialect) => {
    await create(trx, dialect, 'keyturn_run', (t) => {
      t.string('id', 40).primary();
      t.string('kind', 20).notNullable();
      t.string('state', 30).notNullable();
      t.text('reason', 'longtext');
      t.string('requested', 10);
      t.text('waiting', 'longtext');
      t.text('job', 'longtext').notNullable();
      t.string('from_key_id', 16).notNullable();
      t.string('to_key_id', 16).notNullable();
      t.integer('fence').notNullable();
      t.integer('round').notNullable();
      t.text('pinned', 'longtext').notNullable();
      t.text('options', 'longtext').notNullable();
      t.text('authority', 'longtext').notNullable();
      t.text('inventory', 'longtext').notNullable();
      t.string('tool_version', 40).notNullable();
      t.text('place', 'longtext').notNullable();
      t.string('created_at', 30).notNullable();
      t.string('finished_at', 30);
    });
    await create(trx, dialect, 'keyturn_chunk', (t) => {
      t.string('run', 40).notNullable();
      t.integer('chunk').notNullable();
      t.string('target', 300).notNullable();
      t.integer('phase').notNullable();
      t.integer('parent');
      t.text('after', 'longtext');
      t.text('up_to', 'longtext');
      t.text('row_ids', 'longtext');
      t.text('late', 'longtext');
      t.string('state', 20).notNullable();
      t.integer('generation').notNullable();
      t.integer('attempts').notNullable();
      t.string('error_code', 60);
      t.text('error', 'longtext');
      t.string('worker', 120);
      t.integer('split_of');
      for (const name of tallyColumns) t.integer(name).notNullable().defaultTo(0);
      t.integer('ms').notNullable().defaultTo(0);
      dialect.bytes(t, 'digests');
      t.string('rotated_at', 30);
      t.integer('verified_round').notNullable().defaultTo(0);
      for (const name of verificationColumns) t.integer(name).notNullable().defaultTo(0);
      t.string('verified_at', 30);
      t.primary(['run', 'chunk']);
      t.index(['run', 'state'], 'keyturn_chunk_state');
      t.index(['run', 'target', 'chunk'], 'keyturn_chunk_target');
      t.index(['run', 'parent'], 'keyturn_chunk_parent');
    });
    await create(
      trx,
      dialect,
      'keyturn_exception',
      (t) => {
        t.string('run', 40).notNullable();
        t.integer('chunk').notNullable();
        t.string('target', 300).notNullable();
        t.text('row_id', 'longtext').notNullable();
        t.string('field', 300).notNullable();
        t.text('path', 'longtext').notNullable();
        t.string('reason', 60).notNullable();
        t.string('state', 20).notNullable();
        t.string('at', 30).notNullable();
        t.index(['run', 'state'], 'keyturn_exception_state');
      },
      { keyed: false },
    );
    await create(trx, dialect, 'keyturn_event', (t) => {
      t.string('run', 40).notNullable();
      t.integer('seq').notNullable();
      t.string('at', 30).notNullable();
      t.string('event', 40).notNullable();
      t.text('detail', 'longtext').notNullable();
      t.primary(['run', 'seq']);
    });
  },
  // Host and process of the coordinator: SQLite accepts workers only on its host
  async (trx) => {
    if (await trx.schema.hasColumn('keyturn_run', 'coordinator')) return;
    await trx.schema.alterTable('keyturn_run', (t) => {
      t.string('coordinator', 300);
    });
  },
  // Digests of a file before and after, committed before the rename: after a crash its content shows whether it was renamed
  async (trx, dialect) => {
    if (await trx.schema.hasTable('keyturn_file')) return;
    await create(
      trx,
      dialect,
      'keyturn_file',
      (t) => {
        t.string('run', 40).notNullable();
        t.integer('chunk').notNullable();
        t.text('path', 'longtext').notNullable();
        t.string('old_sha256', 64).notNullable();
        t.string('new_sha256', 64).notNullable();
        t.string('digest', 64).notNullable();
        t.index(['run', 'chunk'], 'keyturn_file_chunk');
      },
      { keyed: false },
    );
  },
  // MACs under a key that only holders of the new key can derive (mac.ts); null in runs of before
  async (trx) => {
    if (!(await trx.schema.hasColumn('keyturn_run', 'mac')))
      await trx.schema.alterTable('keyturn_run', (t) => {
        t.string('mac', 64);
        t.string('heartbeat', 30);
      });
    if (await trx.schema.hasColumn('keyturn_chunk', 'plan_mac')) return;
    await trx.schema.alterTable('keyturn_chunk', (t) => {
      t.string('plan_mac', 64);
      t.string('digests_mac', 64);
      t.string('rotated_mac', 64);
      t.string('verified_mac', 64);
    });
  },
  // Values that are encrypted twice
  async (trx) => {
    if (await trx.schema.hasColumn('keyturn_chunk', 'nested')) return;
    await trx.schema.alterTable('keyturn_chunk', (t) => {
      t.integer('nested').notNullable().defaultTo(0);
    });
  },
  // How many chunks were planned, with a MAC: deleted ones are missed (plan-count.ts). No row for runs of before
  async (trx, dialect) => {
    if (await trx.schema.hasTable('keyturn_plan')) return;
    await create(trx, dialect, 'keyturn_plan', (t) => {
      t.string('run', 40).primary();
      t.text('chunks', 'longtext').notNullable();
      t.string('mac', 64).notNullable();
    });
  },
];

/** Tally columns of keyturn_chunk, in the order of tallyFields. */
export const tallyColumns = [
  'row_count',
  'filtered',
  'value_count',
  'rotated',
  'current_count',
  'empty_count',
  'look_alikes',
  'undecided',
  'exceptions',
  'nested',
] as const;

export const verificationColumns = [
  'v_rows',
  'v_values',
  'v_proven',
  'v_new',
  'v_changed',
  'v_late',
  'v_gone',
  'v_exceptions',
] as const;

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
    hint: 'restore the keyturn tables together with the data from one backup, or the whole database, and rotate again',
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

/** @param keyed whether the table has a primary key of its own */
async function create(
  trx: Knex.Transaction,
  dialect: Dialect,
  name: string,
  columns: (table: Knex.CreateTableBuilder) => void,
  { keyed = true } = {},
): Promise<void> {
  await trx.schema.createTable(name, (table) => {
    dialect.begin(table, keyed);
    columns(table);
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
