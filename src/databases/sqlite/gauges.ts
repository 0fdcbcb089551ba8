import { stat } from 'node:fs/promises';
import type { Gauges } from '../gauge.ts';

export function sqliteGauges(path: string): Gauges {
  return {
    wal: {
      unit: 'bytes',
      about: 'size of the write-ahead log',
      read: async () => {
        try {
          return (await stat(`${path}-wal`)).size;
        } catch {
          return 0;
        }
      },
    },
  };
}
