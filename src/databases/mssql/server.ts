import { type Gauges, saysYes } from '../gauge.ts';
import type { KnownTables } from '../known-tables.ts';
import type { Judge, Privileges, Server, Session } from '../server.ts';
import { assertSupported } from './access.ts';
import type { MssqlTable } from './catalog.ts';
import { mssqlGauges } from './gauges.ts';
import { logFacts, logWarnings } from './log.ts';
import type { Ask } from './request.ts';

type Answer = 'yes' | 'no' | 'unknown';

export class MssqlServer implements Server {
  readonly gauges: Gauges;
  readonly #ask: Ask;
  readonly #judge: Judge;
  readonly #schema: string;
  readonly #tables: KnownTables<MssqlTable>;

  /** @param judge runs a query of the operator's that must change nothing */
  constructor(ask: Ask, judge: Judge, schema: string, tables: KnownTables<MssqlTable>) {
    this.gauges = mssqlGauges(ask);
    this.#ask = ask;
    this.#judge = judge;
    this.#schema = schema;
    this.#tables = tables;
  }

  /** Needs VIEW SERVER STATE. */
  async lockHolders(): Promise<string[]> {
    const sql = `select distinct object_name(l.resource_associated_entity_id), s.program_name, s.session_id, s.login_name
      from sys.dm_tran_locks l join sys.dm_exec_sessions s on s.session_id = l.request_session_id
      where l.resource_type = 'OBJECT' and l.resource_database_id = db_id() and l.request_status = 'GRANT'
        and l.request_mode in ('S', 'X', 'SIX', 'Sch-M') and s.program_name not like 'keyturn%'`;
    const rows = await this.#ask(sql, []).catch(() => []);
    return rows.map(
      ([table, program, session, login]) => `${table}: ${program} (session ${session}) of ${login}`,
    );
  }

  async readOnly(): Promise<string | null> {
    const [row] = await this.#ask(`select case when ${isReadOnly} then 1 else 0 end`, []);
    return Number(row?.[0]) === 1 ? 'the database, or this replica of it, is read-only' : null;
  }

  /** Throws `table-unsupported` too: this is called before anything is written. */
  async privileges(tables: readonly string[]): Promise<Privileges> {
    const known = await this.#tables.all();
    for (const table of tables.flatMap((name) => known.get(name) ?? [])) assertSupported(table);
    return privilegesOf(this.#ask, this.#schema, tables);
  }

  unseen(): Promise<string[]> {
    return unseenOf(this.#ask, this.#schema);
  }

  sessions(): Promise<Session[] | null> {
    return sessionsOf(this.#ask);
  }

  async warnings(tables: readonly string[]): Promise<string[]> {
    const known = await this.#tables.all();
    return [
      ...tables
        .filter((name) => known.get(name)?.rowLocks === false)
        .map(
          (name) =>
            `an index of ${name} has ALLOW_ROW_LOCKS = OFF: workers wait for each other's pages there, use --workers 1`,
        ),
      ...(await warningsOf(this.#ask, this.#schema, tables)),
    ];
  }

  async isTrue(sql: string): Promise<boolean> {
    const [row] = await this.#judge(sql);
    return saysYes(row?.[0]);
  }
}

/** A sql_variant is compared by its own type first: converted, it is compared as text. */
const isReadOnly = `convert(nvarchar(20), databasepropertyex(db_name(), 'Updateability')) = N'READ_ONLY'`;

async function privilegesOf(ask: Ask, schema: string, tables: readonly string[]): Promise<Privileges> {
  const may = (right: string): string =>
    `has_perms_by_name(quotename(schema_name(t.schema_id)) + '.' + quotename(t.name), 'OBJECT', '${right}')`;
  // Whether a grant on some columns suffices is unknown. A read-only database or replica accepts no writes.
  const sql = `select t.name, case
      when ${isReadOnly} then 'no'
      when ${may('SELECT')} = 1 and ${may('UPDATE')} = 1 then 'yes'
      when exists (select 1 from sys.columns c where c.object_id = t.object_id and has_perms_by_name(
        quotename(schema_name(t.schema_id)) + '.' + quotename(t.name), 'OBJECT', 'UPDATE', quotename(c.name), 'COLUMN') = 1) then 'unknown'
      else 'no' end
    from sys.tables t where t.schema_id = schema_id(@p0)`;
  const creating = `select case when not (${isReadOnly}) and has_perms_by_name(quotename(db_name()), 'DATABASE', 'CREATE TABLE') = 1
    and has_perms_by_name(quotename(schema_name(schema_id(@p0))), 'SCHEMA', 'ALTER') = 1 then 'yes' else 'no' end`;
  const granted = await ask(sql, [schema]).catch(() => []);
  const [create] = await ask(creating, [schema]).catch(() => []);
  const update = new Map(granted.map((row) => [String(row[0]), row[1] as Answer]));
  return {
    createTable: (create?.[0] ?? 'unknown') as Answer,
    update: new Map(tables.map((table) => [table, update.get(table) ?? 'unknown'])),
  };
}

/**
 * Without the permission to see the server's state, a login sees only its own sessions, which is no answer.
 * https://learn.microsoft.com/en-us/sql/relational-databases/system-dynamic-management-views/sys-dm-exec-sessions-transact-sql
 */
async function sessionsOf(ask: Ask): Promise<Session[] | null> {
  // Engine edition 5 is Azure SQL Database, where the state of the database is enough; an unknown permission gives null
  const permitted = `select coalesce(has_perms_by_name(null, null, 'VIEW SERVER STATE'), 0)
    + coalesce(has_perms_by_name(null, null, 'VIEW SERVER PERFORMANCE STATE'), 0)
    + case when serverproperty('EngineEdition') = 5
      then coalesce(has_perms_by_name(quotename(db_name()), 'DATABASE', 'VIEW DATABASE STATE'), 0) else 0 end`;
  const [may] = await ask(permitted, []);
  if (!(Number(may?.[0]) > 0)) return null;
  const sql = `select program_name, host_name, login_name from sys.dm_exec_sessions
    where is_user_process = 1 and database_id = db_id() and session_id <> @@spid
      and coalesce(program_name, '') not like 'keyturn%' order by session_id`;
  const text = (value: unknown): string | null => (value == null || value === '' ? null : String(value));
  return (await ask(sql, [])).map(([program, host, login]) => ({
    program: text(program),
    host: text(host),
    login: text(login),
  }));
}

/**
 * Metadata is shown only of what the login has a permission on: no policy and no table may mean that it sees none. A policy
 * can be in another schema than its table.
 * https://learn.microsoft.com/en-us/sql/relational-databases/security/metadata-visibility-configuration
 */
async function unseenOf(ask: Ask, schema: string): Promise<string[]> {
  const may = (securable: string, kind: string, right: string): string =>
    `coalesce(has_perms_by_name(${securable}, '${kind}', '${right}'), 0)`;
  const wholeSchema = `quotename(schema_name(schema_id(@p0)))`;
  const [row = []] = await ask(
    `select ${may('quotename(db_name())', 'DATABASE', 'VIEW DEFINITION')},
      ${may(wholeSchema, 'SCHEMA', 'VIEW DEFINITION')} + ${may(wholeSchema, 'SCHEMA', 'SELECT')}`,
    [schema],
  );
  const [policies, tables] = row.map((each) => Number(each) > 0);
  const grant = 'without VIEW DEFINITION on the database';
  return [
    ...(policies === true
      ? []
      : [`cannot tell ${grant} whether security policies hide rows from this login`]),
    ...(policies === true || tables === true
      ? []
      : [`cannot tell ${grant} whether there are tables that this login does not see`]),
  ];
}

async function warningsOf(ask: Ask, schema: string, tables: readonly string[]): Promise<string[]> {
  const wanted = new Set(tables);
  // Empty: the login may not see it, or this version does not have it
  const visible = async (sql: string): Promise<unknown[][]> =>
    (await ask(sql, [schema]).catch(() => [])).filter((row) => wanted.has(String(row[0])));
  const of = 'from sys.tables t % where t.schema_id = schema_id(@p0)';
  const from = (joins: string): string => of.replace('%', joins);
  const temporal = await visible(
    `select t.name, h.name ${from('join sys.tables h on h.object_id = t.history_table_id')} order by t.name`,
  );
  const captured = await visible(`select t.name ${from('')} and t.is_tracked_by_cdc = 1 order by t.name`);
  const replicated = await visible(
    `select t.name ${from('')} and (t.is_published = 1 or t.is_merge_published = 1 or t.is_replicated = 1) order by t.name`,
  );
  return [
    ...temporal.map(
      ([table, history]) =>
        `${table} is system-versioned: ${history} keeps the old version of every row, with the old ciphertext`,
    ),
    ...captured.map(
      ([table]) =>
        `${table} is tracked by change data capture, which keeps the old and the new version of every rewritten row`,
    ),
    ...replicated.map(([table]) => `${table} is replicated: its subscribers receive every rewritten row`),
    ...logWarnings(await logFacts(ask)),
  ];
}
