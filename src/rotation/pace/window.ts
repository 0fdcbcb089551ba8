import { DateTime, IANAZone } from 'luxon';
import ms, { type StringValue } from 'ms';
import { KeyturnError } from '../../error.ts';
import type { Hold, Pace, PaceFacts } from './pace.ts';

/** A daily maintenance window in a time zone; it may cross midnight. Both ends are wall-clock times. */
export interface Window {
  readonly from: WallClock;
  readonly to: WallClock;
  /** IANA name, or 'local'. */
  readonly zone: string;
}

interface WallClock {
  readonly hour: number;
  readonly minute: number;
}

/** `HH:MM-HH:MM`, as of --window. Throws `bad-option`. */
export function parseWindow(text: string, zone = 'local'): Window {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (match === null || text.slice(0, 5) === text.slice(6)) {
    throw new KeyturnError('bad-option', `--window ${text} is not a valid window`, {
      hint: 'expected HH:MM-HH:MM, for example 22:00-06:00',
    });
  }
  if (zone !== 'local' && !IANAZone.isValidZone(zone)) {
    throw new KeyturnError('bad-option', `--time-zone ${zone} is not a known time zone`, {
      hint: 'expected a name such as Europe/Berlin or UTC',
    });
  }
  const [, fromHour, fromMinute, toHour, toMinute] = match.map(Number);
  return {
    from: { hour: fromHour ?? 0, minute: fromMinute ?? 0 },
    to: { hour: toHour ?? 0, minute: toMinute ?? 0 },
    zone,
  };
}

/** On a day without a change to or from summer time. */
export function windowLengthMs({ from, to }: Window): number {
  const minutes = (to.hour - from.hour) * 60 + to.minute - from.minute;
  return (minutes > 0 ? minutes : minutes + 24 * 60) * 60_000;
}

/** A duration such as 3h, 90m or 45s, in milliseconds. Throws `bad-option`. */
export function parseDuration(text: string, option: string): number {
  const length = /^\d+(\.\d+)? ?[a-z]+$/i.test(text) ? ms(text as StringValue) : undefined;
  if (length !== undefined && length > 0) return length;
  throw new KeyturnError('bad-option', `${option} ${text} is not a valid duration`, {
    hint: 'expected a duration such as 3h, 90m or 45s',
  });
}

/** The end of the window that is open at `now`; null: it is closed. */
export function windowEnd(window: Window, now: Date): Date | null {
  const today = DateTime.fromJSDate(now, { zone: window.zone });
  // A window that crosses midnight may have opened yesterday
  for (const day of [today.minus({ days: 1 }), today]) {
    const opens = at(day, window.from);
    const closes = at(day, window.to);
    const end = closes > opens ? closes : at(day.plus({ days: 1 }), window.to);
    if (opens <= today && today < end) return end.toJSDate();
  }
  return null;
}

export function windowOpens(window: Window, now: Date): Date {
  const today = DateTime.fromJSDate(now, { zone: window.zone });
  const opens = at(today, window.from);
  return (opens > today ? opens : at(today.plus({ days: 1 }), window.from)).toJSDate();
}

/** A wall-clock time that does not exist on the day of the change to summer time is moved by the change. */
function at(day: DateTime, { hour, minute }: WallClock): DateTime {
  return day.startOf('day').set({ hour, minute });
}

/** Ends the session when the time to the end of the window is shorter than a chunk takes. */
export class WindowPace implements Pace {
  readonly #window: Window;

  constructor(window: Window) {
    this.#window = window;
  }

  async check({ now, chunkMs }: PaceFacts): Promise<Hold | null> {
    const end = windowEnd(this.#window, now);
    if (end !== null && end.getTime() - now.getTime() > (chunkMs ?? 0)) return null;
    const opens = DateTime.fromJSDate(windowOpens(this.#window, now), { zone: this.#window.zone });
    return {
      kind: 'end',
      code: 'window-closed',
      reason: `window closed, it opens at ${opens.toFormat('yyyy-MM-dd HH:mm ZZZZ')}`,
    };
  }
}

/** Ends the session when its time is nearly over: --max-duration, from the start of the session. */
export class DurationPace implements Pace {
  readonly #until: number;

  /** @param startedMs as PaceFacts.elapsedMs. */
  constructor(startedMs: number, lengthMs: number) {
    this.#until = startedMs + lengthMs;
  }

  async check({ elapsedMs, chunkMs }: PaceFacts): Promise<Hold | null> {
    if (this.#until - elapsedMs > (chunkMs ?? 0)) return null;
    return { kind: 'end', code: 'window-closed', reason: 'the time limit of --max-duration is reached' };
  }
}
