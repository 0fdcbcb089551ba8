import { expect, test } from '@jest/globals';
import { seedOf } from './random.ts';
import { lacking, type StageName, stages } from './stages.ts';
import { storm } from './storm.ts';

/** The stage with the most processes. `npm run test:faults` has all stages, with more faults. */
const name: StageName = 'PostgreSQL, queue in Redis';

(lacking(name).length > 0 ? test.skip : test)(
  `six faults leave no trace: ${name}`,
  async () => {
    const weather = { credentials: 4_000, chunkRows: 50, longStops: false, fromTheStart: false };
    const seed = seedOf(20);
    const passed = await storm(stages[name], { faults: 6, ...weather, seed });
    expect({ seed, problems: passed.problems }).toEqual({ seed, problems: [] });
  },
  300_000,
);
