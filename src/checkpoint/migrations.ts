import type { Knex } from 'knex';
import type { Dialect } from '../databases/dialect.ts';
import type { OwnTable } from '../databases/own-tables.ts';

/**
 * The checkpoint tables, as versioned migrations. Each of them can be repeated without harm (schema.ts, `migrate`). knex's own
 * migrator is not used: its lock table stays locked when a process dies, and nothing of keyturn may stay locked
 * (docs/architecture.md, States). Migrations run under the run lock.
 */
export const migrations: readonly ((trx: Knex.Transaction, dialect: Dialect) => Promise<void>)[] = [
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

/** @param keyed whether the table has a primary key of its own */
export async function create(
  trx: Knex.Transaction,
  dialect: Dialect,
  name: OwnTable,
  columns: (table: Knex.CreateTableBuilder) => void,
  { keyed = true } = {},
): Promise<void> {
  await trx.schema.createTable(name, (table) => {
    dialect.begin(table, keyed);
    columns(table);
  });
}
