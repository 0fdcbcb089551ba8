import { describe, expect, test } from '@jest/globals';
import {
  DurationPace,
  parseDuration,
  parseWindow,
  WindowPace,
  windowEnd,
  windowOpens,
} from '../../../src/rotation/pace/window.ts';

const night = parseWindow('22:00-06:00', 'Europe/Berlin');
const at = (time: string): Date => new Date(time);

describe('a window that crosses midnight', () => {
  test.each([
    ['before it opens', '2026-06-10T21:59:59+02:00', null],
    ['when it opens', '2026-06-10T22:00:00+02:00', '2026-06-11T06:00:00+02:00'],
    ['after midnight', '2026-06-11T03:00:00+02:00', '2026-06-11T06:00:00+02:00'],
    ['when it closes', '2026-06-11T06:00:00+02:00', null],
  ])('%s', (_, now, end) => {
    expect(windowEnd(night, at(now))).toEqual(end === null ? null : at(end));
  });

  test('says when it opens again', () => {
    expect(windowOpens(night, at('2026-06-11T06:00:00+02:00'))).toEqual(at('2026-06-11T22:00:00+02:00'));
    expect(windowOpens(night, at('2026-06-11T23:00:00+02:00'))).toEqual(at('2026-06-12T22:00:00+02:00'));
  });

  test('ends by the wall clock, one hour sooner, when summer time begins', () => {
    expect(windowEnd(night, at('2026-03-28T23:00:00+01:00'))).toEqual(at('2026-03-29T06:00:00+02:00'));
  });

  test('ends by the wall clock, one hour later, when summer time ends', () => {
    expect(windowEnd(night, at('2026-10-24T23:00:00+02:00'))).toEqual(at('2026-10-25T06:00:00+01:00'));
  });

  test('that begins at a time that does not exist on that day opens after the change to summer time', () => {
    const skipped = parseWindow('02:30-05:00', 'Europe/Berlin');
    expect(windowEnd(skipped, at('2026-03-29T01:59:00+01:00'))).toBeNull();
    expect(windowEnd(skipped, at('2026-03-29T03:31:00+02:00'))).toEqual(at('2026-03-29T05:00:00+02:00'));
  });
});

describe('the pace of a window', () => {
  const pace = new WindowPace(parseWindow('01:00-02:00', 'UTC'));

  test('does not hold the run while a chunk still fits', async () => {
    expect(
      await pace.check({ now: at('2026-06-10T01:59:00Z'), elapsedMs: 0, chunkMs: 59_000, rows: 0 }),
    ).toBeNull();
  });

  test('ends the session when the remaining time is shorter than a chunk takes', async () => {
    expect(
      await pace.check({ now: at('2026-06-10T01:59:01Z'), elapsedMs: 0, chunkMs: 59_000, rows: 0 }),
    ).toEqual({
      kind: 'end',
      code: 'window-closed',
      reason: 'window closed, it opens at 2026-06-11 01:00 UTC',
    });
  });

  test('ends the session outside the window', async () => {
    expect(
      await pace.check({ now: at('2026-06-10T00:59:59Z'), elapsedMs: 0, chunkMs: null, rows: 0 }),
    ).toMatchObject({
      kind: 'end',
    });
  });
});

test('--max-duration ends the session when a chunk does not fit any more, whatever the wall clock says', async () => {
  const pace = new DurationPace(5_000, parseDuration('3h', '--max-duration'));
  const elapsedMs = 5_000 + 3 * 3_600_000;
  const facts = { chunkMs: 1000, rows: 0 };
  expect(
    await pace.check({ ...facts, now: at('2026-06-11T00:00:00Z'), elapsedMs: elapsedMs - 1_001 }),
  ).toBeNull();
  expect(
    await pace.check({ ...facts, now: at('2026-06-10T00:00:00Z'), elapsedMs: elapsedMs - 1_000 }),
  ).toMatchObject({ kind: 'end' });
});

test.each(['22:00', '24:00-06:00', '22:00-22:00', '2:00-6:00', 'night'])(
  '%s is not a valid window',
  (text) => {
    expect(() => parseWindow(text)).toThrow(expect.objectContaining({ code: 'bad-option' }));
  },
);

test('an unknown time zone is refused', () => {
  expect(() => parseWindow('22:00-06:00', 'Mars/Olympus')).toThrow(
    expect.objectContaining({ code: 'bad-option' }),
  );
});

test.each(['', '3', 'soon', '-3h', '0h', '3 parsecs'])('"%s" is not a valid duration', (text) => {
  expect(() => parseDuration(text, '--max-duration')).toThrow(
    expect.objectContaining({ code: 'bad-option' }),
  );
});
