import { expect, test } from '@jest/globals';
import { seedOf } from './random.ts';
import { lacking, stageNames, stages } from './stages.ts';
import { storm } from './storm.ts';

/** KEYTURN_FAULTS=0.1 injects a tenth of the faults. */
const scale = Number(process.env.KEYTURN_FAULTS ?? 1);

for (const name of stageNames) {
  const missing = lacking(name);
  (missing.length > 0 ? test.skip : test)(
    `random faults leave no trace: ${[name, ...missing.map((it) => `${it} is missing`)].join(', ')}`,
    async () => {
      const seed = seedOf();
      const faults = Math.ceil(stages[name].faults * scale);
      process.stderr.write(`${name}: ${faults} faults, KEYTURN_FAULT_SEED=${seed}\n`);
      const weather = { credentials: 50_000, chunkRows: 250, longStops: true, fromTheStart: true };
      const started = performance.now();
      const minutes = (): number => Math.round((performance.now() - started) / 6_000) / 10;
      const tell = (text: string) => process.stderr.write(`${name}: ${text} (${minutes()} min)\n`);
      const passed = await storm(stages[name], { faults, ...weather, seed, tell });
      process.stderr.write(`${name}: ${JSON.stringify({ minutes: minutes(), ...passed }, null, 2)}\n`);
      expect({ seed, problems: passed.problems }).toEqual({ seed, problems: [] });
    },
    3 * 60 * 60_000,
  );
}
