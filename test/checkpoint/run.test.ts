import { describe, expect, test } from '@jest/globals';
import {
  assertMayBecome,
  isFinished,
  isVerified,
  mayBecome,
  type Run,
  type RunState,
} from '../../src/checkpoint/run.ts';
import { addTally, emptyTally, tallyFields } from '../../src/checkpoint/tally.ts';

const states: readonly RunState[] = [
  'planned',
  'rotating',
  'rotated',
  'verifying',
  'verified',
  'verified-with-exceptions',
  'superseded',
  'paused',
  'cancelled',
  'failed',
];

const following: Readonly<Record<RunState, readonly RunState[]>> = {
  planned: ['rotating', 'verifying', 'paused', 'cancelled', 'superseded'],
  rotating: ['rotated', 'paused', 'cancelled', 'failed', 'superseded'],
  rotated: ['rotating', 'verifying', 'paused', 'cancelled', 'superseded'],
  verifying: [
    'rotating',
    'verified',
    'verified-with-exceptions',
    'paused',
    'cancelled',
    'failed',
    'superseded',
  ],
  verified: ['superseded'],
  'verified-with-exceptions': ['rotating', 'superseded'],
  superseded: [],
  paused: ['rotating', 'cancelled', 'superseded'],
  cancelled: ['rotating', 'superseded'],
  failed: ['rotating', 'cancelled', 'superseded'],
};

describe('a run', () => {
  test.each(states)('that is %s can become what the table says, and nothing else', (from) => {
    expect(states.filter((to) => mayBecome(from, to)).sort()).toEqual([...following[from]].sort());
  });

  test('becomes verified only from verifying', () => {
    for (const finished of states.filter(isVerified))
      expect(states.filter((from) => mayBecome(from, finished))).toEqual(['verifying']);
  });

  test('that is not finished can be resumed from every state', () => {
    for (const state of states.filter((each) => !isFinished(each) && each !== 'rotating'))
      expect(mayBecome(state, 'rotating')).toBe(true);
  });

  test('names the change of state that is refused', () => {
    const run = { id: 'a', state: 'verified', unreadable: null } as Run;
    expect(() => assertMayBecome(run, 'rotating')).toThrow(
      expect.objectContaining({
        code: 'run-state',
        exitCode: 2,
        message: 'run a is verified and cannot become rotating',
      }),
    );
  });
});

describe('a tally', () => {
  test('adds up field by field', () => {
    const sum = emptyTally();
    const part = Object.fromEntries(tallyFields.map((name, i) => [name, 2 ** i])) as unknown as typeof sum;
    addTally(sum, part);
    addTally(sum, part);
    expect(tallyFields.map((name) => sum[name])).toEqual(tallyFields.map((_, i) => 2 ** (i + 1)));
  });
});
