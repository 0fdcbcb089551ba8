import type { Gauges } from '../gauge.ts';
import type { Ask } from './catalog.ts';
import { numberOf } from './error.ts';
import { mysqlFailures } from './failures.ts';

/** The size of the binary logs. A server does not know how far its replicas are behind. */
export function mysqlGauges(ask: Ask): Gauges {
  return {
    binlog: {
      unit: 'bytes',
      read: async () => {
        try {
          return (await ask('show binary logs')).reduce((sum, [, size]) => sum + Number(size), 0);
        } catch (error) {
          if (mysqlFailures.isDenied(error)) return null;
          // ER_NO_BINARY_LOGGING
          if (numberOf(error) === 1381) return 0;
          throw error;
        }
      },
    },
  };
}
