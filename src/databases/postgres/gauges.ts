import type { Knex } from 'knex';
import type { Gauges } from '../gauge.ts';

/**
 * Lag of the slowest standby, and size of the WAL folder. Both need pg_monitor (or pg_read_all_stats and pg_ls_waldir).
 * Without it, standbys have no figures and the WAL folder cannot be read: the value is unknown, never 0.
 */
export function postgresGauges(knex: Knex): Gauges {
  return {
    'replication-lag': {
      unit: 'seconds',
      read: async () => {
        const sql = `select count(*)::int as standbys, count(replay_lsn)::int as visible,
          coalesce(max(extract(epoch from replay_lag)), 0)::float8 as lag from pg_stat_replication`;
        const row = (await knex.raw(sql)).rows[0] as { standbys: number; visible: number; lag: number };
        return row.visible < row.standbys ? null : row.lag;
      },
    },
    wal: {
      unit: 'bytes',
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
