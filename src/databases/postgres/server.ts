import type { Knex } from 'knex';
import { type Gauges, saysYes } from '../gauge.ts';
import type { Judge, Privileges, Server, Session } from '../server.ts';
import { postgresGauges } from './gauges.ts';

/** Runs a statement with `$n` parameters; rows as arrays of texts. */
export type Ask = (sql: string, values: readonly unknown[]) => Promise<(string | null)[][]>;

type Answer = 'yes' | 'no' | 'unknown';

export class PostgresServer implements Server {
  readonly gauges: Gauges;
  readonly #ask: Ask;
  readonly #judge: Judge;
  readonly #schema: string;

  /** @param judge runs a query of the operator's that must change nothing */
  constructor(ask: Ask, judge: Judge, knex: Knex, schema: string) {
    this.gauges = postgresGauges(knex);
    this.#ask = ask;
    this.#judge = judge;
    this.#schema = schema;
  }

  async readOnly(): Promise<string | null> {
    const sql = `select case when pg_is_in_recovery() then 'the server is a standby'
      when current_setting('transaction_read_only') = 'on' then 'default_transaction_read_only is on' end`;
    const [row] = await this.#ask(sql, []);
    return row?.[0] ?? null;
  }

  privileges(tables: readonly string[]): Promise<Privileges> {
    return privilegesOf(this.#ask, this.#schema, tables);
  }

  /** Every login sees the whole catalog, and row_security is off (session.ts): a policy that would hide rows is an error. */
  async unseen(): Promise<string[]> {
    return [];
  }

  sessions(): Promise<Session[]> {
    return sessionsOf(this.#ask);
  }

  async lockHolders(): Promise<string[]> {
    const sql = `select distinct c.relname, coalesce(nullif(a.application_name, ''), 'a program'), a.pid::text, a.usename
      from pg_locks l join pg_class c on c.oid = l.relation join pg_stat_activity a on a.pid = l.pid
      where l.granted and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        and c.relkind in ('r', 'p') and a.application_name not like 'keyturn%'
        and c.relnamespace = (select oid from pg_namespace where nspname = $1)`;
    const rows = await this.#ask(sql, [this.#schema]).catch(() => []);
    return rows.map(([table, program, pid, login]) => `${table}: ${program} (process ${pid}) of ${login}`);
  }

  warnings(tables: readonly string[]): Promise<string[]> {
    return warningsOf(this.#ask, this.#schema, tables);
  }

  async isTrue(sql: string): Promise<boolean> {
    const [row] = await this.#judge(sql);
    return saysYes(row?.[0]);
  }
}

async function privilegesOf(ask: Ask, schema: string, tables: readonly string[]): Promise<Privileges> {
  // Whether a grant on some columns suffices is unknown. A standby accepts no writes, whatever was granted.
  const sql = `select c.relname, case
      when pg_is_in_recovery() then 'no'
      when has_table_privilege(c.oid, 'SELECT') and has_table_privilege(c.oid, 'UPDATE') then 'yes'
      when has_any_column_privilege(c.oid, 'SELECT') and has_any_column_privilege(c.oid, 'UPDATE') then 'unknown'
      else 'no' end
    from pg_class c where c.relnamespace = (select oid from pg_namespace where nspname = $1) and c.relname = any ($2)`;
  const creating = `select case when has_schema_privilege($1, 'CREATE') and not pg_is_in_recovery() then 'yes' else 'no' end`;
  const granted = await ask(sql, [schema, [...tables]]).catch(() => []);
  const [create] = await ask(creating, [schema]).catch(() => []);
  const update = new Map(granted.map((row) => [String(row[0]), row[1] as Answer]));
  return {
    createTable: (create?.[0] ?? 'unknown') as Answer,
    update: new Map(tables.map((table) => [table, update.get(table) ?? 'unknown'])),
  };
}

/**
 * Without pg_read_all_stats, sessions of other logins are listed, but neither their program nor their host.
 * https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
 */
async function sessionsOf(ask: Ask): Promise<Session[]> {
  const sql = `select nullif(application_name, ''), coalesce(client_hostname, host(client_addr)), r.rolname
    from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
    where a.datname = current_database() and a.pid <> pg_backend_pid()
      and coalesce(a.backend_type, 'client backend') = 'client backend'
      and coalesce(a.application_name, '') not like 'keyturn%'
    order by a.backend_start`;
  return (await ask(sql, [])).map(([program, host, login]) => ({
    program: program ?? null,
    host: host ?? null,
    login: login ?? null,
  }));
}

async function warningsOf(ask: Ask, schema: string, tables: readonly string[]): Promise<string[]> {
  const published = await ask(
    'select tablename, string_agg(pubname, $3 order by pubname) from pg_publication_tables where schemaname = $1 and tablename = any ($2) group by tablename order by tablename',
    [schema, [...tables], ', '],
  ).catch(() => []);
  const [standbys] = await ask('select count(*)::text from pg_stat_replication', []).catch(() => []);
  const [archive] = await ask(`select current_setting('archive_mode')`, []).catch(() => []);
  const others = await ask(
    `select n.nspname, string_agg(c.relname, $3 order by c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and c.relname = any ($2) and n.nspname <> $1
       and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' group by n.nspname order by n.nspname limit 20`,
    [schema, [...tables], ', '],
  ).catch(() => []);
  const copies = await ask(
    `select distinct v.relname, c.relname from pg_class c join pg_depend d on d.refobjid = c.oid join pg_rewrite r on r.oid = d.objid
     join pg_class v on v.oid = r.ev_class where v.relkind = 'm' and c.relname = any ($2)
       and c.relnamespace = (select oid from pg_namespace where nspname = $1) order by 1, 2`,
    [schema, [...tables]],
  ).catch(() => []);
  return [
    ...others.map(
      ([name, found]) =>
        `the schema ${name} contains ${found}, too: if the same key encrypts it, it needs a run of its own (?schema=${name})`,
    ),
    ...copies.map(
      ([view, table]) =>
        `the materialized view ${view} copies ${table}, and keeps the old ciphertext until REFRESH MATERIALIZED VIEW ${view}`,
    ),
    ...published.map(
      ([table, publications]) =>
        `${table} is published by ${publications}: subscribers receive every rewritten row, and may keep the old ciphertext`,
    ),
    ...(Number(standbys?.[0] ?? 0) > 0
      ? [`${standbys?.[0]} replicas follow this server: consider --throttle replication-lag`]
      : []),
    ...(archive?.[0] === 'on' || archive?.[0] === 'always'
      ? ['the WAL is archived: the archive grows with every row written, and keeps the old ciphertext']
      : []),
  ];
}
