import type { Knex } from 'knex';
import type { Gauges } from '../gauge.ts';

/**
 * PostgreSQL's own load. Both need pg_monitor (or pg_read_all_stats and pg_ls_waldir): without it the standbys'
 * figures are null and the WAL folder is out of reach, which is 'unknown', never 'none'.
 */
export function postgresGauges(knex: Knex): Gauges {
  return {
    'replication-lag': {
      unit: 'seconds',
      about: 'how far the slowest standby is behind',
      read: async () => {
        const sql = `select count(*)::int as standbys, count(replay_lsn)::int as told,
          coalesce(max(extract(epoch from replay_lag)), 0)::float8 as lag from pg_stat_replication`;
        const row = (await knex.raw(sql)).rows[0] as { standbys: number; told: number; lag: number };
        return row.told < row.standbys ? null : row.lag;
      },
    },
    wal: {
      unit: 'bytes',
      about: 'size of the WAL folder',
      read: async () => {
        const granted = await knex.raw(
          `select has_function_privilege('pg_ls_waldir()', 'execute') as granted`,
        );
        if (granted.rows[0].granted !== true) return null;
        return Number((await knex.raw('select sum(size)::text as bytes from pg_ls_waldir()')).rows[0].bytes);
      },
    },
  };
}
