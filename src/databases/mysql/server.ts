import { setTimeout as sleep } from 'node:timers/promises';
import { type Gauges, saysYes } from '../gauge.ts';
import type { KnownTables } from '../known-tables.ts';
import type { Judge, Privileges, Server, Session } from '../server.ts';
import type { Ask, MysqlTable } from './catalog.ts';
import { numberOf } from './error.ts';
import { mysqlFailures } from './failures.ts';
import { mysqlGauges } from './gauges.ts';
import { sessionMark } from './session.ts';
import { quote } from './statement.ts';
import { assertTransacted } from './write.ts';

type Answer = 'yes' | 'no' | 'unknown';

/** Lets the server prepare a statement, which checks the permissions and runs nothing. */
export type Prepare = (sql: string) => Promise<void>;

/** ER_TABLEACCESS_DENIED_ERROR: told before the server looks whether the table exists */
const tableAccessDenied = 1142;
const hiddenSentence =
  'this login does not have SELECT on the whole database: tables and columns on which it has no right are not listed, and were not searched';

export class MysqlServer implements Server {
  readonly gauges: Gauges;
  readonly #ask: Ask;
  readonly #judge: Judge;
  readonly #prepare: Prepare;
  readonly #tables: KnownTables<MysqlTable>;
  readonly #mariadb: boolean;

  /** @param judge runs a query of the operator's that must change nothing */
  constructor(ask: Ask, judge: Judge, prepare: Prepare, tables: KnownTables<MysqlTable>, mariadb: boolean) {
    this.gauges = mysqlGauges(ask);
    this.#ask = ask;
    this.#judge = judge;
    this.#prepare = prepare;
    this.#tables = tables;
    this.#mariadb = mariadb;
  }

  async readOnly(): Promise<string | null> {
    // Logins with the right to administer it write in spite of read_only; MariaDB knows no super_read_only
    const settings = this.#mariadb ? ['tx_read_only'] : ['global.super_read_only', 'transaction_read_only'];
    for (const name of settings) {
      const [row] = await this.#ask(`select @@${name}`).catch(() => []);
      if (Number(row?.[0] ?? 0) === 1) return `${name.replace('global.', '')} is on`;
    }
    return null;
  }

  /** Throws `no-transactions` too: this is called before anything is written. */
  async privileges(tables: readonly string[]): Promise<Privileges> {
    const known = await this.#tables.all();
    for (const name of tables) assertTransacted(known.get(name) ?? { name, untransacted: null });
    const named = new Map(tables.map((name) => [name, known.get(name)]));
    return privilegesOf(this.#ask, this.#prepare, this.#mariadb, named);
  }

  /** Needs the performance schema, which MariaDB has off by default. */
  async lockHolders(): Promise<string[]> {
    const sql = `select distinct l.object_name, t.processlist_id, concat(t.processlist_user, '@', t.processlist_host)
      from performance_schema.metadata_locks l join performance_schema.threads t on t.thread_id = l.owner_thread_id
      where l.object_type = 'TABLE' and l.object_schema = database() and l.lock_status = 'GRANTED'
        and l.lock_type in ('EXCLUSIVE', 'SHARED_NO_WRITE', 'SHARED_NO_READ_WRITE', 'SHARED_READ_ONLY')`;
    const rows = await this.#ask(sql).catch(() => []);
    return rows.map(([table, process, login]) => `${table}: connection ${process} of ${login}`);
  }

  /** The catalog has only what the login has a right on. Without SELECT on the database, no name in it is known to be free. */
  async unseen(): Promise<string[]> {
    const refused = await this.#prepare('select 1 from keyturn_no_such_table').then(
      () => undefined,
      (error: unknown) => numberOf(error),
    );
    return refused === tableAccessDenied ? [hiddenSentence] : [];
  }

  sessions(): Promise<Session[] | null> {
    return sessionsOf(this.#ask);
  }

  warnings(tables: readonly string[]): Promise<string[]> {
    return warningsOf(this.#ask, tables);
  }

  async isTrue(sql: string): Promise<boolean> {
    const [row] = await this.#judge(sql);
    return saysYes(row?.[0]);
  }
}

/**
 * Grants are given by user, host, role, database pattern, table and column. So the server itself checks a statement that
 * is never run. A read-only server still accepts writes from some logins.
 */
async function privilegesOf(
  ask: Ask,
  prepare: Prepare,
  mariadb: boolean,
  tables: ReadonlyMap<string, MysqlTable | undefined>,
): Promise<Privileges> {
  const [mode] = await ask('select @@global.read_only').catch(() => []);
  const writable: Answer = mode?.[0] === '0' || mode?.[0] === 'OFF' ? 'yes' : 'unknown';
  const update = new Map<string, Answer>();
  for (const [name, table] of tables) {
    const may = table === undefined ? 'unknown' : await mayRun(prepare(updateSql(table)));
    update.set(name, may === 'yes' ? writable : may);
  }
  // MySQL checks the permissions for CREATE TABLE only when it runs
  const create = mariadb
    ? await mayRun(prepare('create table keyturn_probe (n int)'))
    : await isGranted(ask, 'CREATE');
  return { createTable: create === 'yes' ? writable : create, update };
}

function updateSql({ name, columns }: MysqlTable): string {
  const set = columns
    .filter(({ generated }) => !generated)
    .map((column) => `${quote(column.name)} = ${quote(column.name)}`);
  return `update ${quote(name)} set ${set.join(', ')} where false`;
}

/** ER_COLUMNACCESS_DENIED_ERROR: there is a permission on other columns, which may be enough. */
async function mayRun(prepared: Promise<void>): Promise<Answer> {
  try {
    await prepared;
    return 'yes';
  } catch (error) {
    return mysqlFailures.isDenied(error) && numberOf(error) !== 1143 ? 'no' : 'unknown';
  }
}

/** Permissions from roles are not in these tables, so what is not found may still be granted. */
async function isGranted(ask: Ask, privilege: string): Promise<Answer> {
  const grantee = `grantee = concat('''', replace(current_user(), '@', '''@'''), '''')`;
  const sql = `select 1 from information_schema.user_privileges where privilege_type = ? and ${grantee}
    union all select 1 from information_schema.schema_privileges
      where privilege_type = ? and ${grantee} and database() like table_schema`;
  return (await ask(sql, [privilege, privilege]).catch(() => [])).length > 0 ? 'yes' : 'unknown';
}

/** A session of keyturn that is just beginning or ending has no mark. After this time it has one, or has ended. */
const markMs = 1_000;

/**
 * Without the privilege PROCESS, a login sees only its own threads.
 * https://dev.mysql.com/doc/refman/8.4/en/privileges-provided.html#priv_process
 */
async function sessionsOf(ask: Ask): Promise<Session[] | null> {
  // This table needs PROCESS, and no other privilege
  const seesAll = await ask('select count(*) from information_schema.innodb_trx').then(
    () => true,
    () => false,
  );
  if (!seesAll) return null;
  // A session without a default database may use this one in its statements
  const others = (program: string, attributes: string): string => `select ${program}, p.host, p.user
    from information_schema.processlist p ${attributes}
    where p.id <> connection_id() and coalesce(p.db, database()) = database()
      and p.command not in ('Daemon', 'Binlog Dump', 'Binlog Dump GTID')
      and p.user not in ('system user', 'event_scheduler', 'unauthenticated user')
      and coalesce(is_used_lock(concat('${sessionMark}', p.id)), 0) <> p.id
    order by p.id`;
  const attribute = (name: string): string =>
    `left join performance_schema.session_connect_attrs ${name}
      on ${name}.processlist_id = p.id and ${name}.attr_name = '${name}'`;
  const named = others(
    'coalesce(program_name.attr_value, _client_name.attr_value)',
    `${attribute('program_name')} ${attribute('_client_name')}`,
  );
  const look = (): Promise<(string | null)[][]> => ask(named).catch(() => ask(others('null', '')));
  let rows = await look();
  if (rows.length > 0) {
    await sleep(markMs);
    rows = await look();
  }
  return rows.map(([program, host, login]) => ({
    program: program ?? null,
    // The host comes with a port
    host: host?.replace(/:\d+$/, '') || null,
    login: login ?? null,
  }));
}

async function warningsOf(ask: Ask, tables: readonly string[]): Promise<string[]> {
  const versioned = await ask(
    `select table_name from information_schema.tables
     where table_schema = database() and table_type = 'SYSTEM VERSIONED' order by table_name`,
  ).catch(() => []);
  const [binlog] = await ask('select @@log_bin').catch(() => []);
  const [replicas] = await ask(
    `select count(*) from information_schema.processlist where command in ('Binlog Dump', 'Binlog Dump GTID')`,
  ).catch(() => []);
  return [
    ...versioned
      .filter(([table]) => tables.includes(String(table)))
      .map(
        ([table]) =>
          `${table} is system-versioned: every rewritten row leaves its old ciphertext in the table's history`,
      ),
    ...(binlog?.[0] === '1'
      ? [
          'the binary log is on: it records the old and the new version of every row written, and keeps the old ciphertext',
        ]
      : []),
    ...(Number(replicas?.[0] ?? 0) > 0
      ? [`${replicas?.[0]} replicas follow this server: each of them writes every row too`]
      : []),
  ];
}
