import { stat } from 'node:fs/promises';
import type { Gauges } from '../gauge.ts';

export function sqliteGauges(path: string): Gauges {
  return {
    wal: {
      unit: 'bytes',
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
