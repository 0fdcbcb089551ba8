import type { Options } from 'yargs';
import type { Database } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import { type Pace, paceOf } from '../../rotation/pace/pace.ts';
import { parseThrottle, ThrottlePace } from '../../rotation/pace/throttle.ts';
import {
  DurationPace,
  parseDuration,
  parseWindow,
  type Window,
  WindowPace,
} from '../../rotation/pace/window.ts';
import { groups } from './options.ts';

const group = groups.execution;

export const windowOptions = {
  window: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'HH:MM-HH:MM: run only in this window; stops when the time left is too short for a chunk',
  },
  'time-zone': {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'time zone of --window, for example Europe/Berlin [default: local time]',
  },
} as const satisfies Record<string, Options>;

/** Options that limit when and how fast a run works. */
export const holdOptions = {
  ...windowOptions,
  'max-duration': {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'stop after this time, for example 3h',
  },
  throttle: {
    type: 'string',
    array: true,
    requiresArg: true,
    group,
    describe:
      'NAME=LIMIT: wait while the limit is exceeded (rows-per-second=N, file=PATH, sql=QUERY, free-disk=PATH:SIZE, or a metric of the database engine); repeatable',
  },
} as const satisfies Record<string, Options>;

export interface WindowArguments {
  readonly window?: string | undefined;
  readonly timeZone?: string | undefined;
}

export interface HoldArguments extends WindowArguments {
  readonly maxDuration?: string | undefined;
  readonly throttle?: readonly string[] | undefined;
}

/** Throws `bad-option`. */
export function givenWindow({ window, timeZone }: WindowArguments): Window | null {
  if (window !== undefined) return parseWindow(window, timeZone);
  if (timeZone === undefined) return null;
  throw new KeyturnError('bad-option', '--time-zone requires --window', {
    hint: 'add --window HH:MM-HH:MM, or remove --time-zone',
  });
}

/** All limits that were given; --max-duration counts from now. Throws `bad-option`. */
export function givenPace(args: HoldArguments, database: Database): Pace {
  const window = givenWindow(args);
  const paces: Pace[] = window === null ? [] : [new WindowPace(window)];
  if (args.maxDuration !== undefined)
    paces.push(new DurationPace(performance.now(), parseDuration(args.maxDuration, '--max-duration')));
  const throttles = (args.throttle ?? []).map((text) => parseThrottle(text, database));
  if (throttles.length > 0) paces.push(new ThrottlePace(throttles));
  return paceOf(paces);
}

/** The same options as words of a command line. */
export function holdWords({ window, timeZone, maxDuration, throttle }: HoldArguments): string[] {
  return [
    ...(window === undefined ? [] : ['--window', window]),
    ...(timeZone === undefined ? [] : ['--time-zone', timeZone]),
    ...(maxDuration === undefined ? [] : ['--max-duration', maxDuration]),
    ...(throttle ?? []).flatMap((text) => ['--throttle', text]),
  ];
}

/** Refuses a run whose window is closed before it writes a key file or a row. */
export async function assertMayBegin(pace: Pace): Promise<void> {
  const hold = await pace.check({ now: new Date(), elapsedMs: performance.now(), chunkMs: null, rows: 0 });
  if (hold?.kind !== 'end') return;
  throw new KeyturnError(hold.code ?? 'stopped', hold.reason, {
    hint: 'nothing was changed; start it again at that time',
  });
}
