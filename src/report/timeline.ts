import type { ChunkFigures } from '../checkpoint/figures.ts';

/** Rows per period of equal length, by the time when their chunks were committed. */
export interface Timeline {
  /** Of the first and the last chunk. */
  readonly from: string;
  readonly to: string;
  readonly periodMs: number;
  readonly rotated: readonly number[];
  /** In the last scan. */
  readonly verified: readonly number[];
}

const periods = 120;
const shortestMs = 1000;

/** Null: no chunk was committed. */
export async function timelineOf(figures: ChunkFigures): Promise<Timeline | null> {
  const commits = await figures.commits();
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { time } of commits) {
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  if (commits.length === 0) return null;
  const periodMs = Math.max(shortestMs, Math.ceil((last - first + 1) / periods));
  const count = Math.floor((last - first) / periodMs) + 1;
  const sums = { rotated: new Array<number>(count).fill(0), verified: new Array<number>(count).fill(0) };
  for (const { time, rows, of } of commits) {
    const period = Math.floor((time - first) / periodMs);
    sums[of][period] = (sums[of][period] ?? 0) + rows;
  }
  return { from: new Date(first).toISOString(), to: new Date(last).toISOString(), periodMs, ...sums };
}
