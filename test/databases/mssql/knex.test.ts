import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Knex } from 'knex';
import type { Connection, Request } from 'tedious';
import { knexOver } from '../../../src/databases/mssql/knex.ts';

/*
 * mssql/knex.ts overrides parts of knex's dialect that knex does not document. An upgrade that moves one of them would
 * leave keyturn with knex's own behaviour, and no error. So this records what knex asks of a connection.
 */

type Done = (error?: Error | null) => void;

/** What knex calls, and what each statement fails with. No server: every other statement gives one row. */
class Recorder extends EventEmitter {
  readonly calls: string[] = [];
  readonly failures = new Map<string, Error>();
  inTransaction = false;

  beginTransaction(done: Done): void {
    this.calls.push('begin');
    this.inTransaction = !this.failures.has('begin');
    setImmediate(done, this.failures.get('begin'));
  }

  commitTransaction(done: Done): void {
    this.calls.push('commit');
    this.inTransaction = false;
    setImmediate(done, this.failures.get('commit'));
  }

  rollbackTransaction(done: Done): void {
    this.calls.push('rollback');
    this.inTransaction = false;
    setImmediate(done);
  }

  execSql(request: Request): void {
    this.#run(request, 'with parameters');
  }

  execSqlBatch(request: Request): void {
    this.#run(request, 'without parameters');
  }

  close(): void {
    this.calls.push('close');
  }

  #run(request: Request, how: string): void {
    const { sqlTextOrProcedure: text = '' } = request as unknown as { sqlTextOrProcedure?: string };
    this.calls.push(`${text} ${how}`);
    setImmediate(() => {
      const failure = this.failures.get(text);
      if (failure === undefined) {
        request.emit('columnMetadata', [{ colName: 'n', type: { name: 'BigInt' } }] as never);
        request.emit('row', [{ value: '7' }] as never);
      }
      (request as unknown as { callback: Done }).callback(failure);
    });
  }
}

let knex: Knex;

/** knex over a pool of one connection. */
function over(recorder: Recorder): Knex {
  const pool = { acquire: async () => recorder as unknown as Connection, release: () => undefined };
  knex = knexOver(pool as never, 'its own');
  return knex;
}

afterEach(() => knex.destroy());

const prepared = expect.stringContaining('set xact_abort on');

describe("knex's dialect of SQL Server", () => {
  test('compiles tables in the schema, with binary collations and wide integers', () => {
    over(new Recorder());
    const statements = knex.schema
      .createTable('t', (table) => {
        table.string('id', 40).primary();
        table.text('long', 'longtext');
        table.integer('n').notNullable().defaultTo(0);
      })
      .toSQL();
    expect(statements[0]?.sql).toMatch(
      /^CREATE TABLE \[its own\]\.\[t\] \(\[id\] nvarchar\(40\) collate Latin1_General_100_BIN2, \[long\] nvarchar\(max\) collate Latin1_General_100_BIN2, \[n\] bigint not null/i,
    );
    expect(knex('t').where({ n: 1 }).toSQL().sql).toBe('select * from [its own].[t] where [n] = ?');
  });

  test('sends its statements through keyturn', async () => {
    const recorder = new Recorder();
    expect(await over(recorder)('t').where({ n: 1 }).first()).toEqual({ n: 7 });
    expect(recorder.calls).toEqual([
      prepared,
      'select top (@p0) * from [its own].[t] where [n] = @p1 with parameters',
    ]);
  });

  test('begins and commits a transaction on its connection', async () => {
    const recorder = new Recorder();
    const result = await over(recorder).transaction(async (trx) => {
      await trx.raw('select 1');
      return 'the result';
    });
    expect(result).toBe('the result');
    expect(recorder.calls).toEqual([prepared, 'begin', 'select 1 without parameters', 'commit']);
  });

  test('rolls back what fails, and throws the same error', async () => {
    const recorder = new Recorder();
    const reason = new Error('the reason');
    const failing = over(recorder).transaction(async () => {
      throw reason;
    });
    await expect(failing).rejects.toBe(reason);
    expect(recorder.calls).toEqual([prepared, 'begin', 'rollback']);
  });

  test.each(['begin', 'commit'])('throws an error of keyturn where a %s fails', async (step) => {
    const recorder = new Recorder();
    recorder.failures.set(step, Object.assign(new Error('lost'), { code: 'ESOCKET' }));
    await expect(over(recorder).transaction(async () => undefined)).rejects.toMatchObject({
      name: 'MssqlError',
      code: 'ESOCKET',
    });
  });

  test('runs no statement after the server has ended the transaction', async () => {
    const recorder = new Recorder();
    const stray = over(recorder).transaction(async (trx) => {
      recorder.inTransaction = false;
      await trx.raw('update t');
    });
    await expect(stray).rejects.toThrow('the transaction has ended, or never began');
    expect(recorder.calls).toEqual([prepared, 'begin']);
  });

  test('knows that a committed transaction has ended', async () => {
    let late: Knex.Transaction | undefined;
    await over(new Recorder()).transaction(async (trx) => {
      late = trx;
    });
    expect(late?.isCompleted()).toBe(true);
  });
});
