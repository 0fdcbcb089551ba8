import type { Gauges } from '../gauge.ts';
import { mssqlFailures } from './failures.ts';
import type { Ask } from './request.ts';

/**
 * In the FULL recovery model the log grows until a log backup.
 * https://learn.microsoft.com/en-us/sql/relational-databases/system-dynamic-management-views/sys-dm-db-log-space-usage-transact-sql
 */
export function mssqlGauges(ask: Ask): Gauges {
  return {
    'log-used': {
      unit: 'bytes',
      read: async () => {
        const sql = 'select used_log_space_in_bytes from sys.dm_db_log_space_usage';
        try {
          return Number((await ask(sql, []))[0]?.[0]);
        } catch (error) {
          // This needs VIEW SERVER STATE, or VIEW DATABASE STATE in Azure
          if (mssqlFailures.isDenied(error)) return null;
          throw error;
        }
      },
    },
  };
}
