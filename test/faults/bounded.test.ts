import { expect, test } from '@jest/globals';
import { seedOf } from './random.ts';
import { lacking, type StageName, stages } from './stages.ts';
import { storm } from './storm.ts';

/** A small part of `npm run test:faults`. All stages at once: most of the time each waits for a process to be missed. */
const bounded: readonly StageName[] = [
  'PostgreSQL, queue in Redis',
  'PostgreSQL, queue in the database itself',
  'SQLite, worker threads',
];

for (const name of bounded) {
  (lacking(name).length > 0 ? test.skip : test.concurrent)(
    `six faults leave no trace: ${name}`,
    async () => {
      const weather = { credentials: 4_000, chunkRows: 50, longStops: false, fromTheStart: false };
      const seed = seedOf(20);
      const passed = await storm(stages[name], { faults: 6, ...weather, seed });
      expect({ seed, problems: passed.problems }).toEqual({ seed, problems: [] });
    },
    300_000,
  );
}
