import { expect, test } from '@jest/globals';
import { seedOf, stages, storm } from './storm.ts';

const faults: Readonly<Record<keyof typeof stages, number>> = {
  'PostgreSQL, queue in Redis': 300,
  'PostgreSQL, queue in the database itself': 100,
  'SQLite, queue in Redis': 100,
  'SQLite, worker threads': 100,
};

/** KEYTURN_FAULTS=0.1: a tenth of them. */
const scale = Number(process.env.KEYTURN_FAULTS ?? 1);

test.each(Object.keys(faults) as (keyof typeof stages)[])(
  'faults at random, and it is as if nothing had happened: %s',
  async (name) => {
    const seed = seedOf();
    const wanted = Math.ceil(faults[name] * scale);
    process.stderr.write(`${name}: ${wanted} faults, KEYTURN_FAULT_SEED=${seed}\n`);
    const options = {
      faults: wanted,
      credentials: 50_000,
      chunkRows: 250,
      longStops: true,
      fromTheStart: true,
    };
    const passed = await storm(stages[name], { ...options, seed });
    process.stderr.write(`${name}: ${JSON.stringify(passed, null, 2)}\n`);
    expect({ seed, problems: passed.problems }).toEqual({ seed, problems: [] });
  },
  3 * 60 * 60_000,
);
