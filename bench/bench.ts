/**
 * How fast keyturn is, compared with the database's own rewrite of the same rows and with what else one could do. Starts its
 * own servers. Every contender gets a fresh copy of the same data; their order alternates from round to round.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import yargs from 'yargs';
import { startRedis } from '../test/support/redis.ts';
import { type Contender, contendersOf } from './contenders.ts';
import { type Engine, engines } from './engines.ts';
import { type BenchFormat, formats } from './formats.ts';
import type { Took } from './keyturn.ts';
import { type Measured, resultsOf, tableOf } from './results.ts';

const options = yargs(process.argv.slice(2))
  .options({
    engine: { choices: Object.keys(engines) as (keyof typeof engines)[], default: 'postgres' as const },
    rows: { type: 'number', default: 100_000, describe: 'rows of the table, a value each' },
    rounds: { type: 'number', default: 3, describe: 'how often each contender runs' },
    format: { choices: Object.keys(formats) as (keyof typeof formats)[], default: 'octopus' as const },
    'value-bytes': { type: 'number', default: 40, describe: 'length of a plaintext' },
    only: { type: 'string', array: true, describe: 'run only contenders whose name contains this' },
  })
  .strict()
  .parseSync();

async function fill(engine: Engine, format: BenchFormat, key: string): Promise<void> {
  const atOnce = 5000;
  for (let from = 1; from <= options.rows; from += atOnce) {
    const rows = Array.from({ length: Math.min(atOnce, options.rows - from + 1) }, (_, i) => {
      const id = from + i;
      return [id, format.seal(key, `secret ${id} `.padEnd(options['value-bytes'], 'x'))] as const;
    });
    await engine.insert(rows);
  }
}

async function measured(
  contender: Contender,
  engine: Engine,
  setting: { readonly folder: string; readonly format: BenchFormat; readonly key: string },
): Promise<Took & { readonly serverSeconds: number | null; readonly logBytes: number | null }> {
  const rows = Math.min(options.rows, contender.mostRows ?? options.rows);
  const url = await engine.copy();
  const cpu = await engine.cpuSeconds();
  const log = await engine.logBytes(url);
  const took = await contender.run(engine, url, { ...setting, rows });
  const scale = options.rows / rows;
  const since = (now: number | null, then: number | null) =>
    now === null || then === null ? null : (now - then) * scale;
  const used = {
    serverSeconds: since(await engine.cpuSeconds(), cpu),
    logBytes: since(await engine.logBytes(url), log),
  };
  await engine.drop(url);
  return { ...took, rotate: took.rotate * scale, ...used };
}

const folder = mkdtempSync(join(tmpdir(), 'keyturn-bench-'));
const redis = await startRedis();
const engine = await engines[options.engine](folder);
try {
  const format = formats[options.format];
  const key = format.newKey();
  await fill(engine, format, key);
  const { only } = options;
  const contenders = contendersOf(options.engine, redis.url).filter(
    ({ name }) => only === undefined || only.some((part) => name.includes(part)),
  );
  const all = new Map<string, Measured[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const took = await measured(contender, engine, { folder, format, key });
      all.get(contender.name)?.push(took);
      console.log(`round ${round + 1}: ${contender.name}: ${took.rotate.toFixed(2)} s`);
    }
  }
  const results = resultsOf(all, {
    engine: engine.version,
    node: process.version,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    date: new Date().toISOString().slice(0, 10),
    format: options.format,
    rows: options.rows,
    valueBytes: options['value-bytes'],
    rounds: options.rounds,
  });
  writeFileSync(new URL('results.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
  console.log(`\n${tableOf(results)}`);
} finally {
  await engine.stop();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}
