import { expect, jest, test } from '@jest/globals';
import type { ChunkTable } from '../../src/checkpoint/chunk-table.ts';
import { Stall } from '../../src/rotation/stall.ts';

const chunks = { find: async () => ({ target: 'users' }) } as unknown as ChunkTable;

/** The clock of the process goes on by so much. */
function later(ms: number): void {
  const now = performance.now() + ms;
  jest.spyOn(performance, 'now').mockReturnValue(now);
}

test('a minute without a finished chunk names the oldest one that waits', async () => {
  const stall = new Stall();
  stall.offered([7, 8]);
  expect(await stall.reason(chunks)).toBeNull();
  later(59_000);
  stall.offered([7, 8, 9]);
  expect(await stall.reason(chunks)).toBeNull();
  later(5_000);
  expect(await stall.reason(chunks)).toMatch(
    /^no chunk finished for 60 s; oldest waiting: chunk 7 of users, offered at \d{4}-.*Z$/,
  );
  stall.offered([7, 9]);
  expect(await stall.reason(chunks)).toBeNull();
  later(70_000);
  stall.rest();
  expect(await stall.reason(chunks)).toBeNull();
  jest.restoreAllMocks();
});
