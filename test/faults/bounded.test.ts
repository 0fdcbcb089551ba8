import { expect, test } from '@jest/globals';
import { seedOf } from './random.ts';
import { type StageName, stages } from './stages.ts';
import { storm } from './storm.ts';

/** A bounded part of `npm run test:faults`. All at once: what they wait for is mostly each other's absence. */
const bounded: readonly StageName[] = [
  'PostgreSQL, queue in Redis',
  'PostgreSQL, queue in the database itself',
  'SQLite, worker threads',
];

test.concurrent.each(bounded)(
  'six faults, and it is as if nothing had happened: %s',
  async (name) => {
    const weather = { credentials: 4_000, chunkRows: 50, longStops: false, fromTheStart: false };
    const seed = seedOf(20);
    const passed = await storm(stages[name], { faults: 6, ...weather, seed });
    expect({ seed, problems: passed.problems }).toEqual({ seed, problems: [] });
  },
  300_000,
);
