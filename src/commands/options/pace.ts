import type { Options } from 'yargs';
import type { Database } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import { type Pace, paceOf } from '../../rotation/pace.ts';
import { parseThrottle, ThrottlePace } from '../../rotation/throttle.ts';
import { DurationPace, parseDuration, parseWindow, type Window, WindowPace } from '../../rotation/window.ts';

const group = 'How to run it:';

export const windowOptions = {
  window: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'HH:MM-HH:MM: work only then; ends when the time left is shorter than a chunk takes',
  },
  'time-zone': {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'of --window, for example Europe/Berlin [default: local]',
  },
} as const satisfies Record<string, Options>;

/** What holds a run back. */
export const holdOptions = {
  ...windowOptions,
  'max-duration': { type: 'string', requiresArg: true, group, describe: 'end after so long, for example 3h' },
  throttle: {
    type: 'string',
    array: true,
    requiresArg: true,
    group,
    describe:
      'NAME=LIMIT: wait while the limit is exceeded (rows-per-second=N, file=PATH, sql=QUERY, free-disk=PATH:SIZE, and what the engine tells); repeatable',
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
  throw new KeyturnError('bad-option', '--time-zone has a meaning with --window only', {
    hint: 'add --window HH:MM-HH:MM, or leave --time-zone out',
  });
}

/** All that was given, from now on. Throws `bad-option`. */
export function givenPace(args: HoldArguments, database: Database): Pace {
  const window = givenWindow(args);
  const paces: Pace[] = window === null ? [] : [new WindowPace(window)];
  if (args.maxDuration !== undefined)
    paces.push(new DurationPace(performance.now(), parseDuration(args.maxDuration, '--max-duration')));
  const throttles = (args.throttle ?? []).map((text) => parseThrottle(text, database));
  if (throttles.length > 0) paces.push(new ThrottlePace(throttles));
  return paceOf(paces);
}

/** The same again, as words of a command line. */
export function holdWords({ window, timeZone, maxDuration, throttle }: HoldArguments): string[] {
  return [
    ...(window === undefined ? [] : ['--window', window]),
    ...(timeZone === undefined ? [] : ['--time-zone', timeZone]),
    ...(maxDuration === undefined ? [] : ['--max-duration', maxDuration]),
    ...(throttle ?? []).flatMap((text) => ['--throttle', text]),
  ];
}

/** A run that may not even begin is not begun: no key file, no row. */
export async function assertMayBegin(pace: Pace): Promise<void> {
  const hold = await pace.check({ now: new Date(), elapsedMs: performance.now(), chunkMs: null, rows: 0 });
  if (hold?.kind !== 'end') return;
  throw new KeyturnError(hold.code ?? 'stopped', hold.reason, {
    hint: 'nothing was touched; start it again then',
  });
}
