import type { Connection, Engine } from './engines.ts';
import type { BenchFormat } from './formats.ts';
import { rotate, type Setting, type Took } from './keyturn.ts';

export interface Contender {
  readonly name: string;
  /** Measured on this many rows at most, and scaled: it takes too long for all. */
  readonly mostRows?: number;
  run(engine: Engine, url: string, setting: Setting & { readonly rows: number }): Promise<Took>;
}

const chunkRows = 2000;

/** The same rows rewritten inside the database, in chunks: what no rotation can be faster than with that many connections. */
function floor(connections: number): Contender {
  return {
    name: `floor, ${connections} connection${connections === 1 ? '' : 's'}`,
    async run(engine, url, { rows }) {
      const clients = await Promise.all(Array.from({ length: connections }, () => engine.connect(url)));
      let next = 1;
      const work = async (client: Connection): Promise<void> => {
        while (next <= rows) {
          const from = next;
          next += chunkRows;
          await client.query(engine.floorSql, [from, from + chunkRows - 1]);
        }
      };
      const started = performance.now();
      await Promise.all(clients.map(work));
      const seconds = (performance.now() - started) / 1000;
      await Promise.all(clients.map((client) => client.close()));
      return { rotate: seconds };
    },
  };
}

function keyturn(workers: number, queue?: string): Contender {
  const what = queue === undefined ? 'worker thread' : 'worker process';
  return {
    name: `keyturn, ${workers} ${what}${workers === 1 ? '' : queue === undefined ? 's' : 'es'}`,
    async run(engine, url, setting) {
      const name = `keyturn-${workers}-${performance.now().toFixed(0)}`;
      const { total, used } = await rotate(setting, url, name, {
        workers,
        ...(queue !== undefined && { queue }),
      });
      const client = await engine.connect(url);
      const events = await client.query('select event, at from keyturn_event');
      await client.close();
      const at = (event: string): number =>
        Date.parse(String(events.find((each) => each.event === event)?.at)) / 1000;
      return {
        rotate: at('rotated') - at('rotating'),
        verify: at('verified') - at('verifying'),
        total,
        ...used,
      };
    },
  };
}

/** What a user would write first. */
function rowByRow(): Contender {
  return {
    name: 'a script, row by row',
    mostRows: 20_000,
    async run(engine, url, { format, key, rows }) {
      const client = await engine.connect(url);
      const newKey = format.newKey();
      const started = performance.now();
      for (let id = 1; id <= rows; id++) {
        const [{ secret } = {}] = await client.query('select secret from account where id = $1', [id]);
        const sealed = sealedAgain(format, key, newKey, secret);
        await client.query('update account set secret = $1 where id = $2', [sealed, id]);
      }
      const seconds = (performance.now() - started) / 1000;
      await client.close();
      return { rotate: seconds };
    },
  };
}

/** The same with one statement per chunk, on PostgreSQL. */
function inBatches(): Contender {
  return {
    name: 'a script, in batches',
    async run(engine, url, { format, key, rows }) {
      const client = await engine.connect(url);
      const newKey = format.newKey();
      const started = performance.now();
      for (let from = 1; from <= rows; from += chunkRows) {
        const read = await client.query('select id, secret from account where id between $1 and $2', [
          from,
          from + chunkRows - 1,
        ]);
        await client.query(
          'update account as a set secret = u.s from unnest($1::int[], $2::text[]) as u (i, s) where a.id = u.i',
          [read.map(({ id }) => id), read.map(({ secret }) => sealedAgain(format, key, newKey, secret))],
        );
      }
      const seconds = (performance.now() - started) / 1000;
      await client.close();
      return { rotate: seconds };
    },
  };
}

function sealedAgain(format: BenchFormat, from: string, to: string, value: unknown): string {
  return format.seal(to, format.open(from, String(value)));
}

/** @param queue URL of a Redis */
export function contendersOf(engine: string, queue: string): readonly Contender[] {
  return [
    floor(1),
    ...(engine === 'sqlite' ? [] : [floor(2)]),
    keyturn(1),
    keyturn(2),
    ...(engine === 'sqlite' ? [] : [keyturn(1, queue), keyturn(2, queue)]),
    rowByRow(),
    ...(engine === 'postgres' ? [inBatches()] : []),
  ];
}
