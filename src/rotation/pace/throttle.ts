import { stat, statfs } from 'node:fs/promises';
import type { Database } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import { bytesOf } from '../size.ts';
import type { Hold, Pace, PaceFacts } from './pace.ts';

/**
 * A limit that holds the run back while the machine is busy with other work. A check that fails is 'unknown': the run
 * continues, and the reason says so. It never ends a run of ten hours.
 */
export interface Throttle {
  readonly name: string;
  /** Its check costs nothing, and may be made at any time. */
  readonly free?: true;
  /** Why to wait, in words; null: continue; 'unknown': the check failed. */
  check(facts: PaceFacts): Promise<string | null | 'unknown'>;
}

/** A check may cost a query, and load changes slowly. */
const askEveryMs = 1000;

type Answer = string | null | 'unknown';

/** The throttles of a session as one pace. Each is checked once a second, or every time if its check costs nothing. */
export class ThrottlePace implements Pace {
  readonly #throttles: readonly {
    readonly throttle: Throttle;
    last: { at: number; answer: Answer } | null;
  }[];

  constructor(throttles: readonly Throttle[]) {
    this.#throttles = throttles.map((throttle) => ({ throttle, last: null }));
  }

  async check(facts: PaceFacts): Promise<Hold | null> {
    const now = facts.elapsedMs;
    const unknown: string[] = [];
    for (const asked of this.#throttles) {
      const { throttle, last } = asked;
      const fresh = last !== null && !throttle.free && now - last.at < askEveryMs;
      const answer = fresh ? last.answer : await throttle.check(facts).catch(() => 'unknown' as const);
      if (!fresh) asked.last = { at: now, answer };
      if (answer === 'unknown') unknown.push(throttle.name);
      else if (answer !== null) return { kind: 'wait', reason: `${throttle.name}: ${answer}` };
    }
    return unknown.length === 0 ? null : { kind: 'note', reason: `unknown: ${unknown.join(', ')}` };
  }
}

const names = 'rows-per-second, file, sql, free-disk';

/** `NAME=LIMIT` of --throttle; the engine's gauges add names. Throws `bad-option`. */
export function parseThrottle(text: string, database: Database): Throttle {
  const [name = '', limit = ''] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
  if (!text.includes('=') || limit === '') throw noThrottle(text, database);
  const gauge = database.server.gauges[name];
  if (gauge !== undefined) {
    const most = gauge.unit === 'bytes' ? bytesOf(limit, `--throttle ${text}`) : numberOf(limit, text);
    return {
      name,
      check: async () => {
        const value = await gauge.read();
        if (value === null) return 'unknown';
        return value <= most ? null : `${quantity(value, gauge.unit)}, limit ${quantity(most, gauge.unit)}`;
      },
    };
  }
  if (name === 'rows-per-second') return rowsPerSecond(numberOf(limit, text));
  if (name === 'file') return whileFileExists(limit);
  if (name === 'sql') return whileTrue(limit, database);
  if (name === 'free-disk') return freeDisk(limit, text);
  throw noThrottle(text, database);
}

function rowsPerSecond(most: number): Throttle {
  let started: { at: number; rows: number } | null = null;
  return {
    name: 'rows-per-second',
    free: true,
    check: async ({ elapsedMs, rows }) => {
      started ??= { at: elapsedMs, rows };
      const seconds = (elapsedMs - started.at) / 1000;
      // One second ahead is allowed, otherwise the first chunk would have to wait for itself
      return rows - started.rows <= most * (seconds + 1) ? null : `limit ${most} rows per second`;
    },
  };
}

function whileFileExists(path: string): Throttle {
  return {
    name: 'file',
    check: async () => {
      try {
        await stat(path);
        return `${path} exists`;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : 'unknown';
      }
    },
  };
}

/** Waits while the first column of the first row is true (or a number other than 0). */
function whileTrue(sql: string, database: Database): Throttle {
  return {
    name: 'sql',
    check: async () => ((await database.server.isTrue(sql)) ? 'the condition is true' : null),
  };
}

function freeDisk(limit: string, text: string): Throttle {
  const colon = limit.lastIndexOf(':');
  const path = limit.slice(0, colon);
  const least = bytesOf(limit.slice(colon + 1), `--throttle ${text}`);
  if (colon < 1)
    throw new KeyturnError('bad-option', `--throttle ${text}: the folder is missing`, {
      hint: 'expected free-disk=/path:5GB',
    });
  return {
    name: 'free-disk',
    check: async () => {
      const { bavail, bsize } = await statfs(path);
      const free = bavail * bsize;
      return free >= least
        ? null
        : `${quantity(free, 'bytes')} free on ${path}, ${quantity(least, 'bytes')} required`;
    },
  };
}

function numberOf(limit: string, text: string): number {
  const value = Number(limit.replace(/s$/, ''));
  if (limit !== '' && Number.isFinite(value) && value > 0) return value;
  throw new KeyturnError('bad-option', `--throttle ${text}: ${limit} is not a positive number`);
}

function quantity(value: number, unit: 'seconds' | 'bytes'): string {
  return unit === 'bytes' ? `${(value / 2 ** 20).toFixed(0)} MB` : `${value.toFixed(1)} s`;
}

function noThrottle(text: string, database: Database): KeyturnError {
  const own = Object.keys(database.server.gauges);
  return new KeyturnError('bad-option', `--throttle ${text} is not a valid throttle`, {
    hint: `expected NAME=LIMIT, where NAME is ${names}${own.length === 0 ? '' : ` or ${own.join(', ')}`}`,
  });
}
