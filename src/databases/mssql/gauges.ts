import type { Gauges } from '../gauge.ts';
import { mssqlFailures } from './failures.ts';
import type { Ask } from './request.ts';

/** https://learn.microsoft.com/en-us/sql/relational-databases/system-dynamic-management-views/sys-dm-db-log-space-usage-transact-sql */
export function mssqlGauges(ask: Ask): Gauges {
  return {
    'log-used': {
      unit: 'bytes',
      about: 'transaction log in use; in the FULL recovery model it grows until a log backup',
      read: async () => {
        const sql = 'select used_log_space_in_bytes from sys.dm_db_log_space_usage';
        try {
          return Number((await ask(sql, []))[0]?.[0]);
        } catch (error) {
          // It needs VIEW SERVER STATE, or VIEW DATABASE STATE in Azure
          if (mssqlFailures.isDenied(error)) return null;
          throw error;
        }
      },
    },
  };
}
