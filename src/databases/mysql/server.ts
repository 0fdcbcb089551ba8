import { setTimeout as sleep } from 'node:timers/promises';
import { type Gauges, saysYes } from '../gauge.ts';
import type { KnownTables } from '../known-tables.ts';
import type { Privileges, Server, Session } from '../server.ts';
import type { Ask, MysqlTable } from './catalog.ts';
import { numberOf } from './error.ts';
import { mysqlFailures } from './failures.ts';
import { mysqlGauges } from './gauges.ts';
import { sessionMark } from './session.ts';
import { quote } from './statement.ts';
import { assertTransacted } from './write.ts';

type Answer = 'yes' | 'no' | 'unknown';

/** Has the server prepare a statement, which checks its rights, and runs nothing. */
export type Prepare = (sql: string) => Promise<void>;

export class MysqlServer implements Server {
  readonly gauges: Gauges;
  readonly #ask: Ask;
  readonly #prepare: Prepare;
  readonly #tables: KnownTables<MysqlTable>;
  readonly #mariadb: boolean;

  constructor(ask: Ask, prepare: Prepare, tables: KnownTables<MysqlTable>, mariadb: boolean) {
    this.gauges = mysqlGauges(ask);
    this.#ask = ask;
    this.#prepare = prepare;
    this.#tables = tables;
    this.#mariadb = mariadb;
  }

  /** Throws `no-transactions` too, since this is asked before anything is written. */
  async privileges(tables: readonly string[]): Promise<Privileges> {
    const known = await this.#tables.all();
    for (const name of tables) assertTransacted(known.get(name) ?? { name, untransacted: null });
    const named = new Map(tables.map((name) => [name, known.get(name)]));
    return privilegesOf(this.#ask, this.#prepare, this.#mariadb, named);
  }

  sessions(): Promise<Session[] | null> {
    return sessionsOf(this.#ask);
  }

  warnings(tables: readonly string[]): Promise<string[]> {
    return warningsOf(this.#ask, tables);
  }

  async ask(sql: string): Promise<boolean> {
    const [row] = await this.#ask(sql);
    return saysYes(row?.[0]);
  }
}

/**
 * Grants come by user, host, role, database pattern, table and column: what counts is the server's own check, of a
 * statement that is never run. A server that is read-only to most takes writes of some.
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
  // MySQL looks at the rights of a CREATE TABLE only when it is run
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

/** ER_COLUMNACCESS_DENIED_ERROR: there is a right to other columns, which may suffice or not. */
async function mayRun(prepared: Promise<void>): Promise<Answer> {
  try {
    await prepared;
    return 'yes';
  } catch (error) {
    return mysqlFailures.isDenied(error) && numberOf(error) !== 1143 ? 'no' : 'unknown';
  }
}

/** What roles bring is not in these tables, so that what is not found is not missing. */
async function isGranted(ask: Ask, right: string): Promise<Answer> {
  const grantee = `grantee = concat('''', replace(current_user(), '@', '''@'''), '''')`;
  const sql = `select 1 from information_schema.user_privileges where privilege_type = ? and ${grantee}
    union all select 1 from information_schema.schema_privileges
      where privilege_type = ? and ${grantee} and database() like table_schema`;
  return (await ask(sql, [right, right]).catch(() => [])).length > 0 ? 'yes' : 'unknown';
}

/** A session of keyturn's own that has just come has no mark yet, and one that is going has none any more: by then it has, or is gone. */
const settledMs = 1_000;

/**
 * Without the right PROCESS, a login sees its own threads only.
 * https://dev.mysql.com/doc/refman/8.4/en/privileges-provided.html#priv_process
 */
async function sessionsOf(ask: Ask): Promise<Session[] | null> {
  // This table asks for PROCESS, and for nothing else
  const seesAll = await ask('select count(*) from information_schema.innodb_trx').then(
    () => true,
    () => false,
  );
  if (!seesAll) return null;
  // One without a default database may name ours in its statements
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
    await sleep(settledMs);
    rows = await look();
  }
  return rows.map(([program, host, login]) => ({
    program: program ?? null,
    // It comes with its port
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
      ? [`${replicas?.[0]} replicas follow this server, and write every row too`]
      : []),
  ];
}
