import { expect, test } from '@jest/globals';
import { seedOf, stages, storm } from './storm.ts';

/** A bounded part of `npm run test:faults`. All at once: what they wait for is mostly each other's absence. */
const bounded = [
  'PostgreSQL, queue in Redis',
  'PostgreSQL, queue in the database itself',
  'SQLite, worker threads',
] as const;

test.concurrent.each(bounded)(
  'six faults, and it is as if nothing had happened: %s',
  async (name) => {
    const options = { faults: 6, credentials: 4_000, chunkRows: 50, longStops: false, fromTheStart: false };
    const seed = seedOf(20);
    const passed = await storm(stages[name], { ...options, seed });
    expect({ seed, problems: passed.problems }).toEqual({ seed, problems: [] });
  },
  150_000,
);
